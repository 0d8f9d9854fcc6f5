"""Turns what SQLite reports into the errors of `integrations.errors`, by its result code (sqlite.org/rescode.html)."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from enum import Enum

from accounts.errors import SignalboxError
from integrations.errors import (
    ANSWER_TOO_LARGE,
    DESTINATION_FULL,
    FILE_UNREADABLE,
    PERMISSION_MISSING,
    RECORD_REFUSED,
    SERVER_FAILED,
    SOURCE_CHANGED,
    TABLE_INCOMPATIBLE,
    TIMED_OUT,
    NeedsPerson,
    RecordsRefused,
    RetryLater,
)


class Doing(Enum):
    """What the file was open for when it failed; a content fault is a record's fault only when writing."""

    READING = "reading"
    WRITING = "writing"


Verdict = tuple[type[NeedsPerson | RetryLater | RecordsRefused], str]

_ALWAYS: Mapping[int, Verdict] = {
    sqlite3.SQLITE_AUTH: (NeedsPerson, PERMISSION_MISSING),
    sqlite3.SQLITE_BUSY: (RetryLater, TIMED_OUT),
    sqlite3.SQLITE_CANTOPEN: (NeedsPerson, FILE_UNREADABLE),
    sqlite3.SQLITE_CORRUPT: (NeedsPerson, FILE_UNREADABLE),
    sqlite3.SQLITE_FULL: (RetryLater, DESTINATION_FULL),
    sqlite3.SQLITE_INTERRUPT: (RetryLater, TIMED_OUT),
    sqlite3.SQLITE_IOERR: (RetryLater, SERVER_FAILED),
    sqlite3.SQLITE_LOCKED: (RetryLater, TIMED_OUT),
    sqlite3.SQLITE_NOTADB: (NeedsPerson, FILE_UNREADABLE),
    sqlite3.SQLITE_PERM: (NeedsPerson, PERMISSION_MISSING),
    sqlite3.SQLITE_READONLY: (NeedsPerson, PERMISSION_MISSING),
}
_WRITING: Mapping[int, Verdict] = {
    sqlite3.SQLITE_CONSTRAINT: (RecordsRefused, RECORD_REFUSED),
    sqlite3.SQLITE_MISMATCH: (RecordsRefused, RECORD_REFUSED),
    sqlite3.SQLITE_TOOBIG: (RecordsRefused, RECORD_REFUSED),
    sqlite3.SQLITE_ERROR: (NeedsPerson, TABLE_INCOMPATIBLE),
}
_READING: Mapping[int, Verdict] = {
    sqlite3.SQLITE_TOOBIG: (NeedsPerson, ANSWER_TOO_LARGE),
    sqlite3.SQLITE_ERROR: (NeedsPerson, SOURCE_CHANGED),
}


def refusal(error: sqlite3.Error, doing: Doing) -> SignalboxError:
    """Return the declared error for what SQLite raised."""
    number = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_NOTADB) & 0xFF  # the rest is detail
    table = {**_ALWAYS, **(_WRITING if doing is Doing.WRITING else _READING)}
    kind, code = table.get(number, (NeedsPerson, FILE_UNREADABLE))
    return kind(code, f"SQLite: {error}")


@contextmanager
def declared_errors(doing: Doing) -> Iterator[None]:
    """Raise SQLite's errors as declared ones."""
    try:
        yield
    except sqlite3.Error as error:
        raise refusal(error, doing) from None
