"""Parquet: row groups into record batches, by row number; objects and lists as their JSON text."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import replace
from typing import BinaryIO

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from integrations.connectors.base import BadRecord, ReadRequest
from integrations.connectors.files.arrow import JSON, flat, no_rows
from integrations.connectors.files.content import unreadable
from integrations.connectors.files.convert import RAW_LIMIT, typed_records
from integrations.connectors.files.cursor import Identity, Mark, changed
from integrations.connectors.files.piece import Piece

FOOTER_BYTES = 64 * 1024


class ParquetReader:
    """One open Parquet file."""

    def __init__(self, raw: BinaryIO, name: str, identity: Identity) -> None:
        self.name = name
        self.identity = identity
        self.crc = _crc_of_end(raw, identity.size)
        try:
            self._file = pq.ParquetFile(raw)
        except (pa.ArrowInvalid, OSError) as error:
            raise unreadable(name, f"it is not a complete Parquet file ({_first_line(error)})") from error
        self.schema = pa.schema([pa.field(f.name, readable_type(f.type)) for f in self._file.schema_arrow])
        self.rows = self._file.metadata.num_rows

    def group_rows(self) -> list[int]:
        """Return how many rows each row group has."""
        return [self._file.metadata.row_group(n).num_rows for n in range(self._file.metadata.num_row_groups)]

    def pieces(
        self, mark: Mark | None, request: ReadRequest, schema: pa.Schema, stop: int | None = None
    ) -> Iterator[Piece]:
        """Give the rows after a mark in pieces, or raise where the file is another one. `stop` ends a row group."""
        self._check_columns(schema)
        place = self._verified(mark)
        end = self.rows if stop is None else stop
        for rows in self._rows_from(place.offset, schema, self._piece_rows(request), end):
            records, bad = self._typed(rows, schema)
            reached = place.offset + rows.num_rows
            read = self._bytes_at(reached) - self._bytes_at(place.offset)
            place = replace(place, offset=reached, is_last=reached >= end)
            yield Piece(records, bad, place, read, self._bytes_at(reached))
        if not place.is_ended:
            empty = no_rows(schema)
            yield Piece(empty, (), replace(place, is_last=True), 0, self.identity.size)

    def _verified(self, mark: Mark | None) -> Mark:
        """Return where to start. A Parquet file is never continued: its end describes all of it."""
        if mark is None:
            return Mark(self.identity, crc=self.crc)
        if mark.identity != self.identity and (mark.identity.size, mark.crc) != (self.identity.size, self.crc):
            raise changed(self.name, "was replaced or changed")
        return replace(mark, identity=self.identity)

    def _check_columns(self, schema: pa.Schema) -> None:
        missing = [name for name in schema.names if name not in self.schema.names]
        if missing:
            raise unreadable(
                self.name, f"it has no column {missing[0]!r}; its columns are {', '.join(self.schema.names)}"
            )

    def _piece_rows(self, request: ReadRequest) -> int:
        groups = [self._file.metadata.row_group(n) for n in range(self._file.metadata.num_row_groups)]
        row_bytes = sum(group.total_byte_size for group in groups) // max(self.rows, 1) + 1
        return max(1, min(request.batch_records, request.batch_bytes // row_bytes))

    def _rows_from(self, row: int, schema: pa.Schema, size: int, end: int) -> Iterator[pa.RecordBatch]:
        groups: list[int] = []
        skipped = passed = 0
        for number, group_rows in enumerate(self.group_rows()):
            if row < passed + group_rows and passed < end:
                groups.append(number)
            elif not groups:
                skipped += group_rows
            passed += group_rows
        surplus = row - skipped
        try:
            for batch in self._file.iter_batches(size, groups, schema.names, use_threads=False) if groups else ():
                kept = batch.slice(min(surplus, batch.num_rows))
                surplus -= batch.num_rows - kept.num_rows
                if kept.num_rows:
                    yield kept
        except (pa.ArrowException, OSError) as error:
            raise unreadable(self.name, f"it is damaged after row {row} ({_first_line(error)})") from error

    def _typed(self, rows: pa.RecordBatch, schema: pa.Schema) -> tuple[pa.RecordBatch, tuple[BadRecord, ...]]:
        columns = [flat(rows.column(name)) for name in schema.names]
        try:
            cast = [column.cast(field.type) for column, field in zip(columns, schema, strict=True)]
            return pa.RecordBatch.from_arrays(cast, schema=schema), ()
        except pa.ArrowInvalid:
            texts = [pc.cast(column, pa.string()) for column in columns]
            return typed_records(texts, schema, (), lambda row: _as_json(rows, row))
        except pa.ArrowNotImplementedError as error:
            raise unreadable(self.name, f"a column has another type now ({_first_line(error)})") from error

    def _bytes_at(self, row: int) -> int:
        return self.identity.size * row // max(self.rows, 1)


def readable_type(kind: pa.DataType) -> pa.DataType:
    """Return the type in which a Parquet column is read: objects, lists and maps are JSON text."""
    if pa.types.is_dictionary(kind):
        return readable_type(kind.value_type)
    return pa.string() if pa.types.is_nested(kind) or pa.types.is_null(kind) else kind


def _as_json(rows: pa.RecordBatch, row: int) -> str:
    return JSON.encode(rows.slice(row, 1).to_pylist()[0]).decode()[:RAW_LIMIT]


def _crc_of_end(raw: BinaryIO, size: int) -> int:
    raw.seek(max(0, size - FOOTER_BYTES))
    crc = zlib.crc32(raw.read(FOOTER_BYTES))
    raw.seek(0)
    return crc


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]
