"""Goes along the chain of one scope of the audit log and says what does not fit."""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from accounts.domain.audit_chain import NOTHING, Columns, signature


@dataclass(frozen=True)
class Finding:
    """The first thing in a scope that does not fit; `seq` is the entry where it shows."""

    scope: str
    seq: int
    kind: str
    words: str


class Anchor(NamedTuple):
    """What was written down outside of the database about a scope's head at one moment."""

    scope: str
    seq: int
    mac: str
    entries: int
    at: str
    key_id: str


class Head(NamedTuple):
    """What the database says of a scope: its counter, and its table."""

    last: int
    mac: str
    highest: int
    entries: int


@dataclass
class ChainCheck:
    """Takes a scope's entries in the order of their numbers; stop at the first finding."""

    scope: str
    keys: Mapping[str, bytes]
    anchors: Mapping[int, list[Anchor]] = field(default_factory=dict)
    seq: int = 0
    mac: str = NOTHING
    count: int = 0

    def take(self, columns: Columns, prev: str, mac: str) -> Finding | None:
        """Check the next entry."""
        wrong = self._wrong(columns, prev, mac)
        if wrong is not None:
            return wrong
        self.seq, self.mac, self.count = columns.seq, mac, self.count + 1
        return self._against_anchors() if self.seq in self.anchors else None

    def end(self, head: Head) -> Finding | None:
        """Check the end: the counter, the number of entries, and anchors beyond."""
        beyond = max(self.anchors, default=0)
        if beyond > self.seq:
            anchor = self.anchors[beyond][0]
            words = f"The log ends at {self.seq}, but at {anchor.at} it had {beyond} entries: the end was cut off."
            return self._finding(self.seq + 1, "truncated", words)
        if head.entries != self.count:
            words = f"The table holds {head.entries} entries, and {self.count} of them are in the chain."
            return self._finding(self.seq, "inserted", words)
        if (head.last, head.mac) != (self.seq, self.mac):
            words = f"The counter says that entry {head.last} is the last, with another signature than the chain's end."
            return self._finding(self.seq, "counter", words)
        return None

    def _wrong(self, columns: Columns, prev: str, mac: str) -> Finding | None:
        if columns.seq != self.seq + 1:
            words = f"After entry {self.seq} comes {columns.seq}: what was between is gone, or numbered anew."
            return self._finding(self.seq + 1, "gap", words)
        key = self.keys.get(columns.key_id)
        if not mac:
            return self._finding(columns.seq, "unsigned", "The entry has no signature.")
        if key is None:
            words = f"The entry is signed by the key {columns.key_id!r}, which is not in the key ring."
            return self._finding(columns.seq, "unknown_key", words)
        if not hmac.compare_digest(signature(key, columns, prev), mac):
            return self._finding(columns.seq, "altered", "The entry does not fit its signature: it was altered.")
        if prev != self.mac:
            words = "The entry follows another one than the one before it: entries were put in, taken out or moved."
            return self._finding(columns.seq, "unlinked", words)
        return None

    def _against_anchors(self) -> Finding | None:
        for anchor in self.anchors[self.seq]:
            if (anchor.mac, anchor.entries) != (self.mac, self.count):
                words = f"At {anchor.at} this entry had another signature: the log was written anew up to here."
                return self._finding(self.seq, "rewritten", words)
        return None

    def _finding(self, seq: int, kind: str, words: str) -> Finding:
        return Finding(self.scope, seq, kind, words)
