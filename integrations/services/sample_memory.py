"""Keeps what somebody waits for again and again for a minute: in this process alone, few values, small ones.

The mapping editor tries each keystroke on the same records; without this, typing would use up the source's rate limit.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from threading import Lock
from typing import Generic, TypeVar

T = TypeVar("T")


class ShortMemory(Generic[T]):
    """`size_of` says how many bytes a value takes; a larger one than `bytes_at_most` is not kept."""

    def __init__(self, *, seconds: float, values_at_most: int, bytes_at_most: int, size_of: Callable[[T], int]) -> None:
        self._seconds, self._values_at_most, self._bytes_at_most = seconds, values_at_most, bytes_at_most
        self._size_of = size_of
        self._kept: OrderedDict[Hashable, tuple[float, T]] = OrderedDict()
        self._lock = Lock()

    def get(self, key: Hashable, make: Callable[[], T], clock: Callable[[], float] = time.monotonic) -> T:
        """The value of `key`, made anew where it is not known or too old; an error of `make` is not kept."""
        with self._lock:
            found = self._kept.get(key)
        if found is not None and clock() - found[0] < self._seconds:
            return found[1]
        value = make()
        with self._lock:
            self._kept.pop(key, None)
            if self._size_of(value) <= self._bytes_at_most:
                self._kept[key] = (clock(), value)
            while len(self._kept) > self._values_at_most:
                self._kept.popitem(last=False)
        return value
