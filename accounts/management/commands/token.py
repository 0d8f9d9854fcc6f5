"""`manage.py token`: makes an API token from the shell."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from accounts.declarations import shell_command
from accounts.errors import SignalboxError
from accounts.models import User, Workspace
from accounts.models.user import normal_email
from accounts.request_context import Actor, acting_as
from accounts.services import tokens


@shell_command("whoever has a shell on the host can read the database; the audit entry names the shell")
class Command(BaseCommand):
    """The same service as the page and the API."""

    help = "Make an API token for a member of a workspace and print it once."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Whose token, where, and what it may do."""
        parser.add_argument("--email", required=True, help="the member whose rights bound the token")
        parser.add_argument("--workspace", required=True, help="the workspace's address, as in /w/<address>/")
        parser.add_argument("--scopes", required=True, help='scopes separated by commas, or "all" that the role holds')
        parser.add_argument("--days", type=int, default=tokens.DEFAULT_DAYS, help="until it expires (1 to 365)")
        parser.add_argument("--name", default="made in the shell")
        parser.add_argument("--json", action="store_true", help="print one line of JSON")

    def handle(self, *_: Any, **options: Any) -> None:  # Django's own signature
        """Make the token and print it."""
        user = User.objects.filter(email=normal_email(options["email"])).first()
        workspace = Workspace.objects.filter(slug=options["workspace"]).first()
        if user is None or workspace is None:
            raise CommandError(f"There is no {'person' if user is None else 'workspace'} of that name.")
        made = self._create(user, workspace, options)
        if options["json"]:
            token = made.token
            line = {"token": made.text, "id": str(token.pk), "expires_at": token.expires_at.isoformat()}
            self.stdout.write(json.dumps(line))
        else:
            self.stdout.write(f"{made.text}\nIt is shown this once, and ends {made.token.expires_at:%Y-%m-%d}.")

    def _create(self, user: User, workspace: Workspace, options: dict[str, Any]) -> tokens.NewToken:
        scopes = [scope.strip() for scope in options["scopes"].split(",") if scope.strip()]
        try:
            with acting_as(Actor(system="shell")):
                return tokens.create(
                    workspace=workspace, creator=user, name=options["name"], scopes=scopes, days=options["days"]
                )
        except SignalboxError as error:
            raise CommandError(str(error)) from error
