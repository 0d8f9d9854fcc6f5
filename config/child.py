"""Entry point of a supervised process: `python -m config.child <supervisor's id> <manage.py arguments>`."""

import os
import sys

from django.core.management import execute_from_command_line

from config.lifeline import die_with_parent


def main(arguments: list[str]) -> None:
    """Tie this process to its supervisor, then do what `manage.py` would."""
    die_with_parent(int(arguments[0]))
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    execute_from_command_line(["manage.py", *arguments[1:]])


if __name__ == "__main__":
    main(sys.argv[1:])
