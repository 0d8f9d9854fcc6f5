"""Notices a worker that lives and consumes nothing: it sends itself messages, and ends when none arrives.

Workers of others went deaf so after a reset of the broker's connection. Whoever supervises them starts them again.
"""

import os
import threading
import time

import structlog
from celery.signals import task_received
from celery.worker import state
from kombu import Exchange, Queue
from kombu.exceptions import OperationalError

from config.celery import app
from config.heartbeat import fork_guard

TASK = "signalbox.canary"
_SENDS_IN_THE_LIMIT = 4

logger = structlog.get_logger("signalbox.canary")


@app.task(name=TASK)
def canary() -> None:
    """Nothing: that the message arrived is all that it says."""


class Canary:
    """Listens for its own messages on a queue of this worker alone; any message that arrives is a sign of hearing."""

    def __init__(self, name: str, limit_seconds: float) -> None:
        # Nothing is bound, so nothing stays behind in the broker's memory of an exchange; the queue goes when unused.
        self.queue = Queue(f"canary.{name}", Exchange(""), f"canary.{name}", expires=limit_seconds * 2)
        self._limit_seconds = limit_seconds
        self._unheard_since: float | None = None
        self._thread = threading.Thread(target=self._loop, name="canary", daemon=True)

    def start(self) -> None:
        """Begin to send; the worker consumes by now."""
        task_received.connect(self._heard)
        self._thread.start()

    def is_deaf(self, now: float) -> bool:
        """Whether none of the messages sent for so long arrived, though the worker had nothing else to do meanwhile."""
        if self._unheard_since is None:
            return False
        if state.reserved_requests:
            # Busy hands take nothing up; what waited meanwhile needs its time once they are free.
            self._unheard_since = now
        return now - self._unheard_since > self._limit_seconds

    def _heard(self, **_: object) -> None:
        self._unheard_since = None

    def _loop(self) -> None:
        while True:
            with fork_guard:
                self._send()
            time.sleep(self._limit_seconds / _SENDS_IN_THE_LIMIT)
            if self.is_deaf(time.monotonic()):
                logger.error("this worker hears nothing; it ends, to be started again", waited=self._limit_seconds)
                os._exit(1)

    def _send(self) -> None:
        before = time.monotonic()
        try:
            with app.connection_for_write() as connection:
                app.send_task(TASK, queue=self.queue.name, connection=connection, ignore_result=True, retry=False)
        except (OperationalError, OSError) as error:
            # Who cannot send cannot tell: while the broker is away nobody hears anything.
            self._unheard_since = None
            logger.warning("canary not sent", reason=str(error))
            return
        if self._unheard_since is None:
            self._unheard_since = before
