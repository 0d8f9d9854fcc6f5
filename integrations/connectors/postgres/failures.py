"""Turns what PostgreSQL and its driver report into the errors of `integrations.errors`.

By SQLSTATE (https://www.postgresql.org/docs/current/errcodes-appendix.html), longest prefix first. Only the primary
message is quoted: the detail lines repeat whole rows, and the query holds values.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import NamedTuple

from accounts.errors import SignalboxError
from integrations.errors import (
    CREDENTIAL_REFUSED,
    DESTINATION_FULL,
    KEY_MISSING,
    PERMISSION_MISSING,
    RECORD_REFUSED,
    REQUEST_REFUSED,
    SERVER_FAILED,
    SETTINGS_INVALID,
    SOURCE_CHANGED,
    TABLE_INCOMPATIBLE,
    TIMED_OUT,
    UNREACHABLE,
    NeedsPerson,
    RecordsRefused,
    RetryLater,
)


class Doing(Enum):
    """What the session was for when it failed; a content fault is a record's fault only when writing."""

    READING = "reading"
    WRITING = "writing"


class Verdict(NamedTuple):
    """Which error to raise."""

    error: type[NeedsPerson | RetryLater | RecordsRefused]
    code: str


_ALWAYS: Mapping[str, Verdict] = {
    "08": Verdict(RetryLater, UNREACHABLE),
    "08P01": Verdict(NeedsPerson, REQUEST_REFUSED),
    "25006": Verdict(NeedsPerson, PERMISSION_MISSING),
    "25P": Verdict(RetryLater, TIMED_OUT),
    "28": Verdict(NeedsPerson, CREDENTIAL_REFUSED),
    "3D": Verdict(NeedsPerson, SETTINGS_INVALID),
    "40": Verdict(RetryLater, SERVER_FAILED),
    "42501": Verdict(NeedsPerson, PERMISSION_MISSING),
    "53": Verdict(RetryLater, SERVER_FAILED),
    "53100": Verdict(RetryLater, DESTINATION_FULL),
    "55": Verdict(RetryLater, SERVER_FAILED),
    "55P03": Verdict(RetryLater, TIMED_OUT),
    "57": Verdict(RetryLater, UNREACHABLE),
    "57014": Verdict(RetryLater, TIMED_OUT),
    "58": Verdict(RetryLater, SERVER_FAILED),
    "XX": Verdict(RetryLater, SERVER_FAILED),
}
_WRITING: Mapping[str, Verdict] = {
    "21": Verdict(RecordsRefused, RECORD_REFUSED),
    "22": Verdict(RecordsRefused, RECORD_REFUSED),
    "23": Verdict(RecordsRefused, RECORD_REFUSED),
    "44": Verdict(RecordsRefused, RECORD_REFUSED),
    "54": Verdict(RecordsRefused, RECORD_REFUSED),
    "P0001": Verdict(RecordsRefused, RECORD_REFUSED),
    "3F": Verdict(NeedsPerson, TABLE_INCOMPATIBLE),
    "42": Verdict(NeedsPerson, TABLE_INCOMPATIBLE),
    "42P10": Verdict(NeedsPerson, KEY_MISSING),
}
_READING: Mapping[str, Verdict] = {
    "3F": Verdict(NeedsPerson, SOURCE_CHANGED),
    "42P01": Verdict(NeedsPerson, SOURCE_CHANGED),
    "42703": Verdict(NeedsPerson, SOURCE_CHANGED),
}
_BY_STATE = {
    Doing.READING: {**_ALWAYS, **_READING},
    Doing.WRITING: {**_ALWAYS, **_WRITING},
}

# libpq gives no SQLSTATE for a connection that failed; these are the English words of libpq and the server.
_BY_WORDS: tuple[tuple[str, Verdict], ...] = (
    ("password authentication failed", Verdict(NeedsPerson, CREDENTIAL_REFUSED)),
    ("no password supplied", Verdict(NeedsPerson, CREDENTIAL_REFUSED)),
    ("authentication failed", Verdict(NeedsPerson, CREDENTIAL_REFUSED)),
    ("role ", Verdict(NeedsPerson, CREDENTIAL_REFUSED)),
    ("no pg_hba.conf entry", Verdict(NeedsPerson, PERMISSION_MISSING)),
    ("permission denied", Verdict(NeedsPerson, PERMISSION_MISSING)),
    ("server does not support SSL", Verdict(NeedsPerson, SETTINGS_INVALID)),
    ("certificate", Verdict(NeedsPerson, SETTINGS_INVALID)),
    ("starting up", Verdict(RetryLater, UNREACHABLE)),
    ("shutting down", Verdict(RetryLater, UNREACHABLE)),
    ("too many", Verdict(RetryLater, SERVER_FAILED)),
    ("remaining connection slots", Verdict(RetryLater, SERVER_FAILED)),
    ("timeout expired", Verdict(RetryLater, TIMED_OUT)),
    ("does not exist", Verdict(NeedsPerson, SETTINGS_INVALID)),
)


def refusal(error: Exception, doing: Doing) -> SignalboxError:
    """Return the declared error for what the driver raised."""
    state = getattr(error, "sqlstate", None) or ""
    words = _words(error)
    verdict = _by_state(state, doing) if state else _by_words(words)
    return verdict.error(verdict.code, f"PostgreSQL: {words}", sqlstate=state)


def _by_state(state: str, doing: Doing) -> Verdict:
    table = _BY_STATE[doing]
    for length in (5, 3, 2):
        if state[:length] in table:
            return table[state[:length]]
    return Verdict(NeedsPerson, REQUEST_REFUSED)


def _by_words(words: str) -> Verdict:
    return next((verdict for phrase, verdict in _BY_WORDS if phrase in words), Verdict(RetryLater, UNREACHABLE))


def _words(error: Exception) -> str:
    pairs: list[tuple[bytes, bytes]] = getattr(error, "details", None) or []
    details = {bytes(name).decode(): bytes(value).decode(errors="replace") for name, value in pairs}
    said = details.get("PG_DIAG_MESSAGE_PRIMARY", "")
    if not said:
        return _first_line(str(error))
    named = [details.get(f"PG_DIAG_{part}_NAME", "") for part in ("TABLE", "COLUMN", "CONSTRAINT")]
    place = ", ".join(name for name in named if name and name not in said)
    return f"{said} ({place})" if place else said


def _first_line(text: str) -> str:
    """The driver's message without its own prefix and without the query that it appends."""
    line = text.split("\n\nQuery was:", maxsplit=1)[0].splitlines()[0] if text else "the connection was lost"
    for prefix in ("IO: ", "[libpq] ", "Failed to connect: "):
        line = line.removeprefix(prefix)
    return line.strip()
