"""`manage.py worker`: runs slices in Celery's prefork pool."""

import os
import warnings
from typing import Any

from celery.signals import worker_ready
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from config import logging as signalbox_logging
from config.celery import app
from config.connections import keep_open
from config.heartbeat import Heartbeat, process_name


class Command(BaseCommand):
    """Works until TERM; a slice under way then has SIGNALBOX_SHUTDOWN_SECONDS to end."""

    help = "Run integrations (Celery worker, prefork)."
    requires_system_checks: list[str] = []  # the supervisor has run them once for all its children

    def add_arguments(self, parser: CommandParser) -> None:
        """The number of slices that run at the same time."""
        parser.add_argument("--concurrency", type=int, default=settings.WORKER_CONCURRENCY)

    def handle(self, *args: object, concurrency: int, **options: Any) -> None:  # Django's own options
        """Run a Celery worker in this process until it is told to stop."""
        if concurrency < 1:
            raise CommandError("--concurrency must be at least 1")
        signalbox_logging.set_component("worker")
        keep_open()
        # TERM then means: finish within `worker_soft_shutdown_timeout`. Celery reads it when its worker is imported.
        os.environ["REMAP_SIGTERM"] = "SIGQUIT"
        # A container's only user is root; the worker accepts nothing but JSON, so the warning's reason does not hold.
        warnings.filterwarnings("ignore", message=r"(?s).*superuser privileges", category=RuntimeWarning)
        name = process_name()
        heartbeat = Heartbeat("worker", name)
        worker_ready.connect(lambda **_: heartbeat.start(), weak=False)
        worker = app.Worker(
            hostname=f"worker@{name}",
            concurrency=concurrency,
            pool="prefork",
            optimization="fair",
            without_gossip=True,
            without_mingle=True,
            without_heartbeat=True,
            quiet=True,
        )
        worker.start()
