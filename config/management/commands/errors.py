"""`manage.py errors`: prints the catalogue of error codes."""

from __future__ import annotations

from django.core.management.base import BaseCommand

from accounts.permissions import shell_command
from config.error_docs import render_errors


@shell_command("prints documentation; reads no data")
class Command(BaseCommand):
    """Prints `docs/errors.md`."""

    help = "Print the catalogue of error codes as Markdown."

    def handle(self, *args: object, **options: object) -> None:
        """Write to standard output."""
        self.stdout.write(render_errors(), ending="")
