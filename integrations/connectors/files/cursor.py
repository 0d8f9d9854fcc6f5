"""Where a reader stands: a mark for each file, precise enough to notice that the file was replaced.

A mark holds the offset after the last complete block, the CRC-32 of everything before it, and what the file system
said of the file. Where the file system still says the same, the mark is trusted; where it does not, the CRC of the
part that was read decides: a file that has grown is continued, one that was changed or cut is refused.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from integrations.connectors.base import Cursor
from integrations.errors import CURSOR_INVALID, SETTINGS_INVALID, NeedsPerson

VERSION = 1
MARK_FIELDS = 9
MOST_FILES = 10_000


@dataclass(frozen=True)
class Identity:
    """What the file system says of a file; equal as long as nobody touched it."""

    size: int
    mtime_ns: int
    inode: int

    @staticmethod
    def of(status: os.stat_result) -> Identity:
        """Return the identity that a stat call tells."""
        return Identity(status.st_size, status.st_mtime_ns, status.st_ino)


@dataclass(frozen=True)
class Mark:
    """A place in one file: `offset` in bytes of the decoded stream (in rows for Parquet) and the CRC before it.

    Inside a block, `block` is its length, `rows` how many of its `total` records were given out. `is_last` says that
    the file had no more after this block when it was read.
    """

    identity: Identity
    offset: int = 0
    crc: int = 0
    is_last: bool = False
    block: int = 0
    rows: int = 0
    total: int = 0

    @property
    def is_ended(self) -> bool:
        """Say whether the file had no more when it was read."""
        return self.is_last and not self.block

    def as_json(self) -> list[int]:
        """Return the mark as plain numbers."""
        one = self.identity
        place = [self.offset, self.crc, int(self.is_last), self.block, self.rows, self.total]
        return [one.size, one.mtime_ns, one.inode, *place]

    @staticmethod
    def from_json(value: Any) -> Mark:  # from a stored cursor: anything, until it is checked here
        """Return the mark that `as_json` gave, or raise `NeedsPerson(CURSOR_INVALID)`."""
        if not isinstance(value, list) or len(value) != MARK_FIELDS or not all(isinstance(n, int) for n in value):
            raise foreign()
        offset, crc, is_last, block, rows, total = value[3:]
        return Mark(Identity(*value[:3]), offset, crc, bool(is_last), block, rows, total)


@dataclass(frozen=True)
class Place:
    """A cursor, understood: the file being read, and the marks of the files that have been read."""

    file: str = ""
    marks: Mapping[str, Mark] = field(default_factory=dict)

    @staticmethod
    def from_cursor(cursor: Cursor | None) -> Place:
        """Return the place of a cursor, or raise `NeedsPerson(CURSOR_INVALID)` for one that is not ours."""
        if cursor is None:
            return Place()
        if cursor.get("version") != VERSION or not isinstance(cursor.get("files"), dict):
            raise foreign()
        return Place(str(cursor.get("file", "")), {n: Mark.from_json(mark) for n, mark in cursor["files"].items()})

    def cursor(self) -> Cursor:
        """Return the place as plain JSON values."""
        return {"version": VERSION, "file": self.file, "files": {n: m.as_json() for n, m in self.marks.items()}}

    def moved(self, name: str, mark: Mark, *, remember: bool) -> Place:
        """Return the place in another file or further on; without `remember` only the present file is kept."""
        return Place(name, {**self.marks, name: mark} if remember else {name: mark})

    def trimmed(self, present: list[str]) -> Place:
        """Forget files that are gone once there are too many; refuse a folder that holds too many itself."""
        if len(set(present) | set(self.marks)) <= MOST_FILES:
            return self
        if len(present) > MOST_FILES:
            raise NeedsPerson(
                SETTINGS_INVALID,
                f"The stream has {len(present)} files; an incremental read remembers at most {MOST_FILES}.",
                what_to_do="Move files that were read to another folder, or narrow the pattern.",
            )
        kept = set(present)
        return Place(self.file, {name: mark for name, mark in self.marks.items() if name in kept})


def foreign() -> NeedsPerson:
    """Return the error for a cursor that this plugin did not write."""
    return NeedsPerson(CURSOR_INVALID, "The stored cursor is not one of the files connector.")


def changed(name: str, why: str) -> NeedsPerson:
    """Return the error for a file that is not the one that was read before."""
    return NeedsPerson(
        CURSOR_INVALID,
        f"The file {name!r} {why} since it was read, so reading cannot continue where it stood.",
        what_to_do="Bring the earlier file back, give new data a new file name, or reset the checkpoint to read the "
        "stream from its start.",
        file=name,
    )
