"""Raw JSON records into Arrow columns of a pinned schema, vectorised; a record that does not fit is set aside alone.

The records of a page, joined as JSON Lines, go through pyarrow's reader in one call. Where it refuses the page, each
record is looked at with a typed decoder: text columns that hold other JSON values are learned (they keep such a value
as its JSON text), and what looks bad and is refused alone is left out. pyarrow's reader has the last word.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import IO, Any, cast

import msgspec
import pyarrow as pa
from pyarrow import json as arrow_json

from integrations.connectors.base import BadRecord
from integrations.connectors.rest_api.schema import load_record, misfit

RAW_BYTES = 64 * 1024
NULL = msgspec.Raw(b"null")
_PYTHON = (
    (pa.types.is_integer, int),
    (pa.types.is_floating, float),
    (pa.types.is_boolean, bool),
    (pa.types.is_timestamp, datetime),
    (pa.types.is_date, date),
)


@dataclass(frozen=True)
class Decoded:
    """The records of a page that fit, and those that do not."""

    records: pa.RecordBatch
    bad: tuple[BadRecord, ...]


class PageDecoder:
    """Decodes pages of one stream. It remembers which text columns hold other JSON, so that a page is tried once."""

    def __init__(self, schema: pa.Schema) -> None:
        self.schema = schema
        self._texts = [number for number, column in enumerate(schema) if pa.types.is_string(column.type)]
        self._dates = frozenset(number for number, column in enumerate(schema) if pa.types.is_date(column.type))
        self._typed = _record_type(schema, range(len(schema)))
        self._set_mixed(frozenset())

    def decode(self, rows: Sequence[msgspec.Raw]) -> Decoded:
        """The rows as columns of the schema, and as bad records those that are no objects or do not fit."""
        if not rows:
            return Decoded(one_batch([], self.schema), ())
        whole = self._read(rows)
        return self._sort_out(rows) if whole is None else Decoded(whole, ())

    def _set_mixed(self, mixed: frozenset[int]) -> None:
        self._mixed = mixed
        self._mixed_rows = _record_type(self.schema, sorted(mixed))
        # The reader knows no dates; it reads them as the timestamps of their midnight.
        flat = [
            pa.field(column.name, pa.timestamp("us")) if number in self._dates else column
            for number, column in enumerate(self.schema)
            if number not in mixed
        ]
        self._options = arrow_json.ParseOptions(explicit_schema=pa.schema(flat), unexpected_field_behavior="ignore")

    def _sort_out(self, rows: Sequence[msgspec.Raw]) -> Decoded:
        """Decode a page that was refused whole."""
        suspects = self._look_at_each(rows)
        bad = {number for number in suspects if self._read([rows[number]]) is None}
        good: list[pa.RecordBatch] = []
        refused = [bad_record(rows[number], self.schema) for number in sorted(bad)]
        rest = [row for number, row in enumerate(rows) if number not in bad]
        if rest:
            self._halve(rest, good, refused)
        return Decoded(one_batch(good, self.schema), tuple(refused))

    def _look_at_each(self, rows: Sequence[msgspec.Raw]) -> list[int]:
        """The numbers of the rows that look bad; learns which text columns hold other JSON on the way."""
        suspects, mixed = [], set(self._mixed)
        for number, row in enumerate(rows):
            try:
                record = msgspec.json.decode(row, type=self._typed)
            except msgspec.DecodeError:
                suspects.append(number)
                continue
            mixed.update(text for text in self._texts if not _is_text(getattr(record, f"c{text}")))
        if mixed != self._mixed:
            self._set_mixed(frozenset(mixed))
        return suspects

    def _halve(self, rows: Sequence[msgspec.Raw], good: list[pa.RecordBatch], bad: list[BadRecord]) -> None:
        """Read rows together, else halve them; a row that is refused alone is bad."""
        read = self._read(rows)
        if read is not None:
            good.append(read)
        elif len(rows) == 1:
            bad.append(bad_record(rows[0], self.schema))
        else:
            middle = len(rows) // 2
            self._halve(rows[:middle], good, bad)
            self._halve(rows[middle:], good, bad)

    def _read(self, rows: Sequence[msgspec.Raw]) -> pa.RecordBatch | None:
        """The rows in one call, or None where at least one of them is refused."""
        lines = _lines(rows)
        if lines.count(b"\n{") + lines.startswith(b"{") != len(rows):
            return None  # not all are objects
        try:
            flat = arrow_json.read_json(
                cast(IO[Any], pa.BufferReader(lines)),  # the stubs know no Arrow streams
                read_options=arrow_json.ReadOptions(use_threads=False, block_size=len(lines) + 1),
                parse_options=self._options,
            )
            mixed = self._read_mixed(lines)
            arrays = [
                mixed[number] if number in mixed else flat.column(column.name).combine_chunks().cast(column.type)
                for number, column in enumerate(self.schema)
            ]
        except (pa.ArrowException, msgspec.DecodeError, ValueError):
            return None
        return pa.RecordBatch.from_arrays(arrays, schema=self.schema)

    def _read_mixed(self, lines: bytes) -> dict[int, pa.StringArray]:
        if not self._mixed:
            return {}
        rows = msgspec.json.decode(b"[" + lines.replace(b"\n", b",") + b"]", type=list[self._mixed_rows])  # type: ignore[name-defined]
        return {
            number: pa.array([json_text(getattr(row, f"c{number}")) for row in rows], pa.string())
            for number in self._mixed
        }


def json_text(raw: msgspec.Raw) -> str | None:
    """A JSON value as a text column keeps it: a text as it is, null as null, anything else as compact JSON."""
    text = bytes(raw)
    if text == b"null":
        return None
    if text.startswith(b'"'):
        return msgspec.json.decode(text, type=str)
    return msgspec.json.format(text, indent=-1).decode("utf-8")


def one_batch(batches: list[pa.RecordBatch], schema: pa.Schema) -> pa.RecordBatch:
    """The batches, all of this schema, as one."""
    if len(batches) == 1:
        return batches[0]
    whole = pa.Table.from_batches(batches, schema=schema).combine_chunks().to_batches()
    return whole[0] if whole else pa.RecordBatch.from_pylist([], schema=schema)


def bad_record(row: msgspec.Raw, schema: pa.Schema) -> BadRecord:
    """A raw record that does not fit the schema, with the reason in words."""
    record = load_record(row)
    if record is None:
        reason = "The record is not an object, or names a field twice, or holds a character that cannot be there."
    else:
        reason = f"{misfit(record, schema) or 'A value does not fit the type of its column'}."
    return BadRecord(bytes(row)[:RAW_BYTES].decode("utf-8", errors="replace"), reason)


def _lines(rows: Sequence[msgspec.Raw]) -> bytes:
    """The rows as JSON Lines. A line break stands between JSON values only, never within a text."""
    lines = b"\n".join(rows)
    if lines.count(b"\n") < len(rows) and b"\r" not in lines:
        return lines
    return b"\n".join(msgspec.json.format(bytes(row), indent=-1) for row in rows)


def _record_type(schema: pa.Schema, numbers: Iterable[int]) -> type[msgspec.Struct]:
    """A record with these columns, in fields named by their number; text columns stay raw JSON."""
    fields, names = [], {}
    for number in numbers:
        column = schema.field(number)
        python = next((python for is_type, python in _PYTHON if is_type(column.type)), None)
        field = f"c{number}"
        names[field] = column.name
        fields.append((field, msgspec.Raw, NULL) if python is None else (field, python | None, None))
    return msgspec.defstruct("Record", fields, rename=names)


def _is_text(raw: msgspec.Raw) -> bool:
    return bytes(raw)[:1] in {b'"', b"n"}
