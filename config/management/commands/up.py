"""`manage.py up`: the whole product with one command: prepares the data folder, then runs every process."""

import os
import signal
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandParser
from django.db import connections

from accounts.permissions import shell_command
from accounts.services.bootstrap import DEFAULT_EMAIL, EMAIL_VARIABLE, ensure_first_admin
from config import logging as signalbox_logging
from config.lifeline import die_with_parent
from config.listening import ensure_free
from config.supervisor import ChildSpec, Supervisor
from integrations.demo.workspace import load_demo

# The worker's own bound comes first; this is what its pool needs to come down after it.
_POOL_STOP_SECONDS = 5.0
_GRACE_SECONDS = "10"


@shell_command("starts the product; whoever has a shell on the host may")
class Command(BaseCommand):
    """Runs until Ctrl-C or TERM; nothing that it started outlives it."""

    help = "Prepare the data folder, then run web, worker, scheduler and the demo's sandbox together."

    def add_arguments(self, parser: CommandParser) -> None:
        """The process, such as `make`, whose end is ours too."""
        parser.add_argument("--parent", type=int, help="stop when this process, our parent, ends")

    def handle(self, *args: object, parent: int | None, **options: Any) -> None:  # Django's own options
        """Migrate, make the first admin, load the demo, then supervise."""
        signalbox_logging.set_component("up")
        if parent is not None:
            die_with_parent(parent, signal.SIGTERM)
        ensure_free(settings.HOST, settings.PORT)
        if settings.DEMO:
            ensure_free("127.0.0.1", settings.SANDBOX_PORT, setting="SIGNALBOX_SANDBOX_PORT")
        call_command("migrate", interactive=False, verbosity=0)
        email = os.environ.get(EMAIL_VARIABLE) or DEFAULT_EMAIL
        password = ensure_first_admin(email=email)
        if settings.DEMO:
            load_demo()
        self._greet(email, password)
        connections.close_all()
        os.environ["SIGNALBOX_DEMO"] = "1" if settings.DEMO else "0"
        os.environ.setdefault("SIGNALBOX_SHUTDOWN_SECONDS", _GRACE_SECONDS)
        Supervisor(children(is_demo=settings.DEMO)).run()

    def _greet(self, email: str, password: str | None) -> None:
        lines = [f"Signalbox: {settings.PUBLIC_BASE_URL}"]
        if password is not None:
            lines += [f"Sign in as: {email}", f"One-time password (shown only now): {password}"]
        self.stdout.write("\n".join(["", *lines, "Stop with Ctrl-C.", ""]))
        self.stdout.flush()


def children(*, is_demo: bool) -> list[ChildSpec]:
    """The processes of the embedded set-up."""
    worker_seconds = float(os.environ.get("SIGNALBOX_SHUTDOWN_SECONDS", _GRACE_SECONDS)) + _POOL_STOP_SECONDS
    specs = [
        ChildSpec("web", ("web",)),
        ChildSpec("worker", ("worker",), stop_seconds=worker_seconds),
        ChildSpec("scheduler", ("scheduler",)),
    ]
    return [*specs, ChildSpec("sandbox", ("sandbox",))] if is_demo else specs
