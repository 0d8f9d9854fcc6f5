"""Tells the database every two seconds that this process is alive, from a thread of its own."""

import os
import socket
import threading
from collections.abc import Callable

import structlog
from django.conf import settings
from django.db import Error, connection

from monitoring.services.heartbeats import beat

logger = structlog.get_logger("signalbox.heartbeat")

# Held during each beat and across each fork: a child must not be copied while a driver's lock is held.
fork_guard = threading.Lock()
os.register_at_fork(before=fork_guard.acquire, after_in_parent=fork_guard.release, after_in_child=fork_guard.release)


class Heartbeat:
    """Beats until it is stopped, and does `along` each time; a beat that fails is logged, and the next is tried."""

    def __init__(self, kind: str, name: str | None = None, along: Callable[[], object] = lambda: None) -> None:
        self._kind = kind
        self._along = along
        self._name = name or process_name()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._loop, name=f"heartbeat-{kind}", daemon=True)

    def start(self) -> None:
        """Begin beating."""
        self._thread.start()

    def stop(self) -> None:
        """Beat no more, and wait for a beat that is under way."""
        self._stop.set()
        self._thread.join(timeout=settings.HEARTBEAT_SECONDS)

    def _loop(self) -> None:
        while True:
            with fork_guard:
                self._beat()
            if self._stop.wait(settings.HEARTBEAT_SECONDS):
                return

    def _beat(self) -> None:
        try:
            beat(self._kind, self._name)
            self._along()
        except Error as error:
            logger.warning("heartbeat failed; trying again", kind=self._kind, reason=str(error))
        finally:
            # No connection may be open when the pool forks.
            connection.close()


def process_name() -> str:
    """This process among all of the installation: host and process id."""
    return f"{socket.gethostname()}:{os.getpid()}"
