"""Runs a generator in a thread of its own and hands its items on through a short queue, so that stages overlap."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")
_POLL_SECONDS = 0.1


@dataclass(frozen=True)
class _Failure:
    error: BaseException


class _Done:
    """The end of the stage's items."""


class _Stage(Generic[T]):
    """The producing thread and its queue of at most `depth` items."""

    def __init__(self, produce: Callable[[], Iterator[T]], depth: int, name: str) -> None:
        self._produce = produce
        self._items: queue.Queue[T | _Failure | _Done] = queue.Queue(maxsize=depth)
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Tell the producer that nobody wants more, and wait until it has let go of its source."""
        self._stopped.set()
        self._thread.join()

    def items(self) -> Iterator[T]:
        """What is produced, in order; an error of the thread is raised here."""
        while not isinstance(item := self._items.get(), _Done):
            if isinstance(item, _Failure):
                raise item.error
            yield item

    def _work(self) -> None:
        try:
            for item in self._produce():
                if not self._put(item):
                    return
            self._put(_Done())
        except BaseException as error:  # noqa: BLE001 - raised again at the consumer, nothing is swallowed
            self._put(_Failure(error))

    def _put(self, item: T | _Failure | _Done) -> bool:
        """Hand an item over; say whether anybody still waits for it."""
        while not self._stopped.is_set():
            try:
                self._items.put(item, timeout=_POLL_SECONDS)
            except queue.Full:
                continue
            return True
        return False


@contextmanager
def in_background(produce: Callable[[], Iterator[T]], *, depth: int, name: str) -> Iterator[Iterator[T]]:
    """Yield an iterator over what `produce` yields, produced ahead by at most `depth` items in a thread.

    An error in the thread is raised at the consumer. On leaving, the producer is stopped and joined.
    """
    stage = _Stage(produce, depth, name)
    stage.start()
    try:
        yield stage.items()
    finally:
        stage.stop()
