"""Reading what has changed: from where to ask, and how not to deliver a record twice for having asked early enough.

A sweep asks for records changed since `since`, the highest cursor value of the sweep before, less an overlap: sources
commit late, and some take "since" as "after", others as "at or after". What was delivered from inside the overlap is
remembered by a digest of its content, so the same record is left out and a changed one is not. `since` moves only when
a sweep is complete, so the source need not sort.

The record at `since` was there once. A complete sweep in which nothing comes at `since` or after it tells that the
source was reset or cut, where the sweep asked for what is earlier too: for a moment with an overlap, or for everything.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from typing import Any

import msgspec

# A cursor value that can be compared: microseconds for a date and time, else the number or the text itself.
Key = int | float | str
# More digests than this are not kept: the records of the overlap that they stood for are then delivered again.
MAX_REMEMBERED = 2000
# So many are pruned to those near the edge, to keep the cursor small.
PRUNE_AT = 256
# Clocks and zones differ by less.
FUTURE = timedelta(days=1)


def moved(value: Key, seconds: int) -> str:
    """A cursor value so many seconds later, in the form that it is written in; a number or a text as it is."""
    moment = _moment(value)
    return str(value) if moment is None else _written(moment + timedelta(seconds=seconds), str(value))


class WindowState(msgspec.Struct, forbid_unknown_fields=True):
    """What the cursor stores of a sweep; see `Sweep`. `reached` says that a record at `since` or after it has come."""

    since: int | float | str | None = None
    high: int | float | str | None = None
    known: dict[str, int | float | str] = {}
    fresh: dict[str, int | float | str] = {}
    reached: bool = False

    def copy(self) -> WindowState:
        return WindowState(self.since, self.high, dict(self.known), dict(self.fresh), self.reached)


@dataclass
class Sweep:
    """One pass over what has changed. `known` and `fresh` map the digests of records near the edge to their keys.

    `found_behind` is told when the sweep is complete: nothing has come at `since` or after it, though it was asked for.
    """

    field_name: str
    overlap_seconds: int
    filters_here: bool
    now: datetime
    state: WindowState = field(default_factory=WindowState)
    found_behind: bool = field(default=False, init=False)

    def __post_init__(self) -> None:
        self._record = msgspec.defstruct(
            "Record", [("value", int | float | str | None, None)], rename={"value": self.field_name}
        )
        self._since = key_of(self.state.since)
        self._high = key_of(self.state.high)

    @property
    def asked_since(self) -> str:
        """The value for the source's parameter, in the form that the source itself writes, or "" for all."""
        since = self.state.since
        return "" if since is None else moved(since, -self.overlap_seconds)

    def take(self, rows: Sequence[msgspec.Raw]) -> list[msgspec.Raw]:
        """The rows of a page that were not delivered before, in order; remembers those near the edge."""
        values = [self._value(row) for row in rows]
        keys = [key_of(value) for value in values]
        for value, key in zip(values, keys, strict=True):
            if key is None or self._is_absurd(value):
                continue
            self.state.reached |= not _is_before(key, self._since)
            if _is_after(key, self._high):
                self._high, self.state.high = key, value
        edge = self._edge(self._high)
        taken = [row for row, key in zip(rows, keys, strict=True) if self._is_new(row, key, edge)]
        self._forget(edge)
        return taken

    def finish(self) -> None:
        """The sweep is complete: the next one starts from the highest value seen."""
        self.found_behind = self._asks_before_since() and not self.state.reached
        self.state.reached = False
        if self.state.high is not None:
            self.state.since = self.state.high
        self._since = self._high
        edge = self._edge(self._high)
        both = {**self.state.known, **self.state.fresh}
        self.state.known = {digest: key for digest, key in both.items() if not _is_before(key, edge)}
        self.state.fresh = {}

    def _asks_before_since(self) -> bool:
        """Whether the record at `since` must come again where it is still there, however the source takes "since"."""
        if self.state.since is None:
            return False
        return self.filters_here or (self.overlap_seconds > 0 and _moment(self.state.since) is not None)

    def _is_new(self, row: msgspec.Raw, key: Key | None, edge: Key | None) -> bool:
        if key is None:
            return True
        if self.filters_here and _is_before(key, self._edge(self._since)):
            return False
        is_near = not _is_before(key, edge)
        if not is_near and not self.state.known:
            return True
        digest = blake2b(row, digest_size=8).hexdigest()
        if digest in self.state.known:
            return False
        if is_near and len(self.state.fresh) < MAX_REMEMBERED:
            self.state.fresh[digest] = key
        return True

    def _is_absurd(self, value: Key | None) -> bool:
        """A time far in the future, which would hide all that changes until then."""
        moment = None if value is None else _moment(value)
        return moment is not None and moment > self.now + FUTURE

    def _edge(self, key: Key | None) -> Key | None:
        """The lowest key that the next sweep will ask for again, if this one ended at `key`."""
        is_moment = self.state.high is not None and _moment(self.state.high) is not None
        return key - self.overlap_seconds * 1_000_000 if is_moment and isinstance(key, int) else key

    def _forget(self, edge: Key | None) -> None:
        if len(self.state.fresh) >= PRUNE_AT:
            self.state.fresh = {digest: key for digest, key in self.state.fresh.items() if not _is_before(key, edge)}

    def _value(self, row: msgspec.Raw) -> Key | None:
        try:
            value: Any = msgspec.json.decode(row, type=self._record)
        except msgspec.DecodeError:
            return None
        found: Key | None = value.value
        return found


def key_of(value: Key | None) -> Key | None:
    """What a cursor value is compared by."""
    moment = None if value is None else _moment(value)
    return value if moment is None else round(moment.timestamp() * 1_000_000)


def _moment(value: Key) -> datetime | None:
    if not isinstance(value, str) or len(value) < 10 or value[4] != "-":
        return None
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _written(moment: datetime, example: str) -> str:
    """`moment` written like `example`: its zone, its precision, "Z" or an offset."""
    if len(example) == 10:
        return moment.date().isoformat()
    original = datetime.fromisoformat(example)
    if original.tzinfo is None:
        return moment.replace(tzinfo=None).isoformat(sep=example[10])
    text = moment.astimezone(original.tzinfo).isoformat(sep=example[10])
    return text.replace("+00:00", "Z") if example.endswith("Z") else text


def _is_after(key: Key, other: Key | None) -> bool:
    """Whether `key` is higher. A number or a moment is above any text: a stray text must not become the edge."""
    if other is None:
        return True
    if isinstance(key, str):
        return isinstance(other, str) and key > other
    return isinstance(other, str) or key > other


def _is_before(key: Key, other: Key | None) -> bool:
    return other is not None and _is_after(other, key)
