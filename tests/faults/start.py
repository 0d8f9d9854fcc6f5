"""Starts a program of the fault proof with Django ready, so that the program itself can import models at its top.

python -m tests.faults.start <nursery|product|campaign|crash> <arguments>
"""

import importlib
import os
import sys

import django


def main(program: str, arguments: list[str]) -> None:
    """Set Django up, then call the program's `main`."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    django.setup()
    importlib.import_module(f"tests.faults.{program}").main(arguments)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
