"""Mapped records as the requests that will carry them: exact bytes, made once and stored before they are sent."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import quote

import msgspec
import pyarrow as pa

from integrations.connectors.base import Commit, Content, WriteRequest
from integrations.connectors.rest_api.write_config import HOLE, WriteConfig
from integrations.domain.guarantee import Guarantee

# A counted version grows with the fence, in it with the batch, in that with the record: 63 bits in all.
BATCH_BITS, RECORD_BITS = 22, 14
Record = dict[str, Any]  # Any: the values of a mapped record


class Part(msgspec.Struct, frozen=True, array_like=True):
    """One request: its path below the base address, its own headers, its records as JSON, and their rows in the batch.

    `unsendable` are rows of the part that no request can carry, and why; it has no request where `records` is empty.
    """

    path: str
    headers: dict[str, str]
    records: list[bytes]
    rows: list[int]
    unsendable: dict[int, str] = {}


class Parcel(msgspec.Struct, frozen=True, array_like=True):
    """All requests of a batch, and what they share. It is stored, so it holds no secret and needs no settings later."""

    key: str
    method: str
    around: tuple[str, str]
    parts: list[Part]

    def body(self, records: Sequence[bytes]) -> bytes:
        """The exact body for these records."""
        before, after = self.around
        return before.encode() + b",".join(records) + after.encode()


def compose(records: pa.RecordBatch, commit: Commit, request: WriteRequest, write: WriteConfig, path: str) -> Content:
    """The content of a batch: the same records and commit give the same bytes."""
    composer = _Composer(request, write, path, commit)
    rows = list(enumerate(records.to_pylist()))
    size = write.records_per_request
    parts = [composer.part(rows[first : first + size]) for first in range(0, len(rows), size)]
    parcel = Parcel(f"{commit.run}:{commit.batch_number}", write.method, _around(write), parts)
    return Content(msgspec.msgpack.encode(parcel), tuple(len(part.rows) + len(part.unsendable) for part in parts))


class _Composer:
    """Makes the parts of one batch."""

    def __init__(self, request: WriteRequest, write: WriteConfig, path: str, commit: Commit) -> None:
        self._request, self._write, self._path = request, write, path
        self._base = ((request.fence << BATCH_BITS) + commit.batch_number) << RECORD_BITS
        # The mapping says of text that it is JSON; it goes into the body as it is.
        self._json = [
            column.name for column in request.schema if (column.metadata or {}).get(b"signalbox.type") == b"json"
        ]

    def part(self, rows: Sequence[tuple[int, Record]]) -> Part:
        records: list[bytes] = []
        taken: list[int] = []
        unsendable: dict[int, str] = {}
        for row, record in rows:
            reason = self._why_not(record)
            if reason:
                unsendable[row] = reason
                continue
            records.append(msgspec.json.encode(self._shaped(row, record)))
            taken.append(row)
        first_row, first = rows[0]
        path = HOLE.sub(lambda hole: quote(_text(first[hole[1]]), safe=""), self._path) if taken else ""
        return Part(path, self._headers(first_row, first), records, taken, unsendable)

    def _why_not(self, record: Record) -> str:
        """Why no request can carry this record, or ""."""
        needed = dict.fromkeys((*self._write.holes, *self._needed()))
        empty = next((name for name in needed if record.get(name) in (None, "")), None)
        if empty is not None:
            return f"{empty} has no value, and the destination finds the record by it"
        endless = next((name for name, value in record.items() if _is_endless(value)), None)
        return "" if endless is None else f"{endless} is {record[endless]}, which JSON cannot say"

    def _needed(self) -> tuple[str, ...]:
        if self._write.promised is not Guarantee.UPSERT_VERSIONED:
            return ()
        own = (self._write.version_field,) if self._write.version_field in self._request.schema.names else ()
        return (*self._request.key, *own)

    def _shaped(self, row: int, record: Record) -> Mapping[str, Any]:
        for name in self._json:
            if record[name] is not None:
                record[name] = msgspec.Raw(record[name].encode())
        field = self._write.version_field
        if field and field not in record and self._write.promised is Guarantee.UPSERT_VERSIONED:
            return {**record, field: self._base + row}
        return record

    def _headers(self, row: int, record: Record) -> dict[str, str]:
        name = self._write.version_header
        if not name or self._write.promised is not Guarantee.UPSERT_VERSIONED:
            return {}
        own = record.get(self._write.version_field)
        return {name.lower(): str(self._base + row) if own is None else _text(own)}


def part_key(parcel: Parcel, number: int) -> str:
    """The key of a part: the batch's own where it has one part alone."""
    return parcel.key if len(parcel.parts) == 1 else f"{parcel.key}:{number + 1}"


def split(records: Sequence[bytes], rows: Sequence[int], key: str) -> Iterator[tuple[Sequence[bytes], list[int], str]]:
    """The two halves of a refused request, each with a key that follows from the whole's."""
    middle = len(records) // 2
    yield records[:middle], list(rows[:middle]), f"{key}.1"
    yield records[middle:], list(rows[middle:]), f"{key}.2"


def _around(write: WriteConfig) -> tuple[str, str]:
    """What stands before and after the records: nothing around one alone, a list, or a list below a path."""
    if write.records_per_request == 1:
        return "", ""
    keys = [key for key in write.record_path.split(".") if key]
    opened = "".join("{" + msgspec.json.encode(key).decode() + ":" for key in keys)
    return f"{opened}[", "]" + "}" * len(keys)


def _text(value: object) -> str:
    return msgspec.to_builtins(value, builtin_types=()) if not isinstance(value, int | str) else str(value)


def _is_endless(value: object) -> bool:
    return isinstance(value, float) and not math.isfinite(value)
