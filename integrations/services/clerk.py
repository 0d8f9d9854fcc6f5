"""Does small database work for threads that have no connection of their own: one thread, one connection, a process.

A slice reads and stages in threads that come and go; each would open a connection at its first statement and leave it
behind at its end. The clerk's thread ends, and closes its connection, after a while without work.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeVar

from django.db import close_old_connections, connection

T = TypeVar("T")
IDLE_SECONDS = 2.0

# Any: each piece of work has a result of its own, and its future knows of which type.
_Work = tuple[Callable[[], Any], "Future[Any]"]


class Clerk:
    """Works what it is given, one after the other; started when it is needed, also after a fork."""

    def __init__(self, idle_seconds: float = IDLE_SECONDS) -> None:
        self._idle_seconds = idle_seconds
        self._lock = threading.Lock()
        self._waiting: queue.SimpleQueue[_Work] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None

    def do(self, work: Callable[[], T]) -> T:
        """The result of the work, or its error."""
        done: Future[T] = Future()
        with self._lock:
            self._waiting.put((work, done))
            # A thread of the process that forked this one is not alive here.
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._work, name="clerk", daemon=True)
                self._thread.start()
        return done.result()

    def _work(self) -> None:
        close_old_connections()
        while (next_up := self._next()) is not None:
            work, done = next_up
            try:
                done.set_result(work())
            except BaseException as error:  # noqa: BLE001 - raised again where the work was asked for
                done.set_exception(error)
                close_old_connections()
        connection.close()

    def _next(self) -> _Work | None:
        try:
            return self._waiting.get(timeout=self._idle_seconds)
        except queue.Empty:
            with self._lock:
                if self._waiting.empty():
                    self._thread = None
                    return None
            return self._waiting.get()


CLERK = Clerk()
