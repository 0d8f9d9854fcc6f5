"""Runs a generator in a thread of its own and hands its items on through a short queue, so that stages overlap."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")
_POLL_SECONDS = 0.1


@dataclass(frozen=True)
class _Failure:
    error: BaseException


class _Done:
    """The end of the stage's items."""


@contextmanager
def in_background(produce: Callable[[], Iterator[T]], *, depth: int, name: str) -> Iterator[Iterator[T]]:
    """Yield an iterator over what `produce` yields, produced ahead by at most `depth` items in a thread.

    An error in the thread is raised at the consumer. On leaving, the producer is stopped and joined.
    """
    items: queue.Queue[T | _Failure | _Done] = queue.Queue(maxsize=depth)
    stopped = threading.Event()

    def put(item: T | _Failure | _Done) -> None:
        while not stopped.is_set():
            try:
                items.put(item, timeout=_POLL_SECONDS)
                return
            except queue.Full:
                continue

    def work() -> None:
        try:
            for item in produce():
                put(item)
                if stopped.is_set():
                    return
            put(_Done())
        except BaseException as error:  # noqa: BLE001 - raised again at the consumer, nothing is swallowed
            put(_Failure(error))

    def consume() -> Iterator[T]:
        while True:
            item = items.get()
            if isinstance(item, _Done):
                return
            if isinstance(item, _Failure):
                raise item.error
            yield item

    thread = threading.Thread(target=work, name=name, daemon=True)
    thread.start()
    try:
        yield consume()
    finally:
        stopped.set()
        thread.join()
