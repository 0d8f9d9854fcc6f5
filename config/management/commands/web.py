"""`manage.py web`: pages, API and live events on one ASGI process."""

import signal
import sys
from pathlib import Path
from typing import Any

import structlog
import uvicorn
from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser

from accounts.permissions import shell_command
from config import logging as signalbox_logging
from config.heartbeat import Heartbeat
from config.listening import ensure_free

STOP_SECONDS = 3
logger = structlog.get_logger("signalbox.web")


@shell_command("starts a process of the product; every request is guarded by itself")
class Command(BaseCommand):
    """Serves until TERM; open requests get a moment, sockets a close frame."""

    help = "Serve pages, API and live events (HOST, PORT)."
    requires_system_checks: list[str] = []  # the supervisor has run them once for all its children

    def add_arguments(self, parser: CommandParser) -> None:
        """Host and port, each with its environment variable as the default."""
        parser.add_argument("--host", default=settings.HOST)
        parser.add_argument("--port", type=int, default=settings.PORT)

    def handle(self, *args: object, host: str, port: int, **options: Any) -> None:  # Django's own options
        """Run uvicorn in this process."""
        signalbox_logging.set_component("web")
        ensure_free(host, port)
        # WhiteNoise warns where it is missing; embedded, nothing is collected into it.
        Path(settings.STATIC_ROOT).mkdir(parents=True, exist_ok=True)
        heartbeat = Heartbeat("web")
        heartbeat.start()
        # Uvicorn raises the signal again once it has stopped; this makes that an orderly end.
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: sys.exit(0))
        logger.info("listening", host=host, port=port)
        try:
            uvicorn.run(
                "config.asgi:application",
                host=host,
                port=port,
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,
                timeout_graceful_shutdown=STOP_SECONDS,
            )
        finally:
            heartbeat.stop()
