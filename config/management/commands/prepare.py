"""`manage.py prepare`: brings the database up to date, makes the first admin, loads the demo; safe to repeat."""

import os
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand

from accounts.permissions import shell_command
from accounts.services.bootstrap import DEFAULT_EMAIL, EMAIL_VARIABLE, ensure_first_admin
from integrations.demo.workspace import load_demo


@shell_command("prepares the data of the product; whoever has a shell on the host may")
class Command(BaseCommand):
    """What `up` does before it starts processes; where they are started one by one, what comes before the first."""

    help = "Migrate, make the first admin and say how to sign in; load the demo (SIGNALBOX_DEMO)."
    requires_system_checks: list[str] = []  # `migrate` runs those that it needs

    def handle(self, *args: object, **options: Any) -> None:  # Django's own options
        """Prepare, and greet."""
        call_command("migrate", interactive=False, verbosity=0)
        email = os.environ.get(EMAIL_VARIABLE) or DEFAULT_EMAIL
        password = ensure_first_admin(email=email)
        if settings.DEMO:
            load_demo()
        self._greet(email, password)

    def _greet(self, email: str, password: str | None) -> None:
        lines = [f"Signalbox: {settings.PUBLIC_BASE_URL}"]
        if password is not None:
            lines += [f"Sign in as: {email}", f"One-time password (shown only now): {password}"]
        self.stdout.write("\n".join(["", *lines, ""]))
