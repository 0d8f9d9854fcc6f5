"""`manage.py up`: the whole product with one command: prepares the data folder, then runs every process."""

import signal
from functools import partial
from typing import Any

from django.conf import settings
from django.core.management import execute_from_command_line
from django.core.management.base import BaseCommand, CommandParser

from accounts.permissions import shell_command
from config import logging as signalbox_logging
from config.forked import fork
from config.lifeline import die_with_parent
from config.listening import ensure_free
from config.supervisor import ChildSpec, Supervisor

# The worker's own bound comes first; this is what its pool needs to come down after it.
_POOL_STOP_SECONDS = 5.0


@shell_command("starts the product; whoever has a shell on the host may")
class Command(BaseCommand):
    """Runs until Ctrl-C or TERM; nothing that it started outlives it."""

    help = "Prepare the data folder, then run web, worker, scheduler and the demo's sandbox together."

    def add_arguments(self, parser: CommandParser) -> None:
        """The process, such as `make`, whose end is ours too."""
        parser.add_argument("--parent", type=int, help="stop when this process, our parent, ends")

    def handle(self, *args: object, parent: int | None, **options: Any) -> None:  # Django's own options
        """Prepare in a process of its own, so that this one stays fit to be forked, then supervise."""
        signalbox_logging.set_component("up")
        if parent is not None:
            die_with_parent(parent, signal.SIGTERM)
        ensure_free(settings.HOST, settings.PORT)
        if settings.DEMO:
            ensure_free("127.0.0.1", settings.SANDBOX_PORT, setting="SIGNALBOX_SANDBOX_PORT")
        prepared = fork(partial(execute_from_command_line, ["manage.py", "prepare"]), name="up")
        prepared.join()
        if prepared.exitcode:
            raise SystemExit(prepared.exitcode)
        self.stdout.write("Stop with Ctrl-C.")
        self.stdout.flush()
        Supervisor(children(is_demo=settings.DEMO)).run()


def children(*, is_demo: bool) -> list[ChildSpec]:
    """The processes of the embedded set-up."""
    specs = [
        ChildSpec("web", ("web",)),
        ChildSpec("worker", ("worker",), stop_seconds=settings.SHUTDOWN_SECONDS + _POOL_STOP_SECONDS),
        ChildSpec("scheduler", ("scheduler",)),
    ]
    return [*specs, ChildSpec("sandbox", ("sandbox",))] if is_demo else specs
