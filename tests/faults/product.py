"""A process of the product that ends with the one that started it.

python -m tests.faults.start product <parent's id> <manage.py arguments>
"""

from __future__ import annotations

from django.core.management import execute_from_command_line

from config.lifeline import die_with_parent


def main(arguments: list[str]) -> None:
    """Tie this process to its parent, then do what `manage.py` would."""
    die_with_parent(int(arguments[0]))
    execute_from_command_line(["manage.py", *arguments[1:]])
