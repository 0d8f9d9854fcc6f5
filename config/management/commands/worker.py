"""`manage.py worker`: runs slices in Celery's prefork pool."""

import os
import threading
import warnings
from typing import Any

import structlog
from celery.signals import worker_ready, worker_shutting_down
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts.permissions import shell_command
from config import logging as signalbox_logging
from config.canary import Canary
from config.celery import app
from config.connections import keep_open
from config.heartbeat import Heartbeat, process_name
from config.pool import PoolWatch
from integrations.draining import begin_draining

logger = structlog.get_logger("signalbox.worker")


@shell_command("starts a process of the product; runs what the rows say")
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
        # A container's only user is root; the worker accepts nothing but JSON, so the warning's reason does not hold.
        warnings.filterwarnings("ignore", message=r"(?s).*superuser privileges")
        name = process_name()
        heartbeat = Heartbeat("worker", name, along=PoolWatch().release_lost)
        worker_ready.connect(lambda **_: heartbeat.start(), weak=False)
        worker_shutting_down.connect(_drain)
        queues = [app.conf.task_default_queue]
        if settings.CANARY_SECONDS:
            queues.append(_listen_to_canary(name))
        worker = app.Worker(
            queues=queues,
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


def _listen_to_canary(name: str) -> str:
    """Send canaries once the worker consumes; return the queue on which it hears them."""
    canary = Canary(name, settings.CANARY_SECONDS)
    app.amqp.queues.add(canary.queue)
    worker_ready.connect(lambda **_: canary.start(), weak=False)
    return canary.queue.name


def _drain(**_: object) -> None:
    """Let slices end at their next batch, so that another worker goes on at once.

    Celery waits for the tasks under way without a bound, and its soft shutdown sleeps even when they are done.
    """
    begin_draining()
    timer = threading.Timer(settings.SHUTDOWN_SECONDS, _give_up)
    timer.daemon = True
    timer.start()


def _give_up() -> None:
    """End now: the pool's children follow, their leases run out, and another worker goes on from the checkpoint."""
    logger.warning("a slice did not end in time; leaving it to another worker", waited=settings.SHUTDOWN_SECONDS)
    os._exit(1)
