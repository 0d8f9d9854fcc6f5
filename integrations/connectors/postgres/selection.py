"""One table's SELECT: its fields in types that the driver delivers exactly, and the batches made of what comes back."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import closing
from dataclasses import dataclass, field
from functools import reduce

import pyarrow as pa
import pyarrow.compute as pc
from psycopg import sql

from integrations.connectors.base import BadRecord, Batch, Cursor, ReadRequest
from integrations.connectors.postgres import types
from integrations.connectors.postgres.catalogue import Table
from integrations.connectors.postgres.session import Session
from integrations.connectors.sql import bad_record, pinned_fields

_NO_EQUAL = "A value has no equal outside PostgreSQL (NaN or an infinite number, date or time)."


def table_schema(table: Table) -> pa.Schema:
    """Return the Arrow schema of a table as it is read."""
    return pa.schema([pa.field(c.name, types.arrow_type(c), c.nullable) for c in table.columns])


@dataclass
class Progress:
    """The share of the source read so far, from the planner's estimates; None where there is none."""

    total: int | None
    read: int = 0

    def add(self, rows: int) -> float | None:
        """Count rows and return the share."""
        self.read += rows
        return min(1.0, self.read / self.total) if self.total else None


@dataclass
class Select:
    """Reads fields of one table for one request; `hidden` are further expressions that only the cursor needs."""

    session: Session
    table: Table
    request: ReadRequest
    hidden: tuple[sql.Composable, ...] = ()
    fields: pa.Schema = field(init=False)

    def __post_init__(self) -> None:
        self.fields = pinned_fields(self.table.name, table_schema(self.table), self.request.schema)

    def statement(self, condition: sql.Composable, order: sql.Composable | None = None) -> sql.Composable:
        """Return the SELECT with a condition and, if given, an order."""
        columns = [types.selected(self.table.by_name[name]) for name in self.fields.names]
        named = [
            sql.SQL("{} AS {}").format(each, sql.Identifier(f"c{place}"))
            for place, each in enumerate([*columns, *self.hidden])
        ]
        parts = [sql.SQL("SELECT {} FROM {} WHERE").format(sql.SQL(", ").join(named), self.table.identifier), condition]
        return sql.SQL(" ").join([*parts, sql.SQL("ORDER BY "), order] if order else parts)

    def pieces(self, statement: sql.Composable) -> Generator[pa.RecordBatch]:
        """Yield the result in pieces of at most the request's size, hidden columns included."""
        with closing(self.session.stream(statement, self.request.batch_bytes)) as stream:
            for fetched in stream:
                for start in range(0, fetched.num_rows, self.request.batch_records):
                    yield fetched.slice(start, self.request.batch_records)

    def batch(self, piece: pa.RecordBatch, cursor: Cursor, progress: Progress) -> Batch:
        """Make a batch of a piece; rows with a value that has no equal are set aside."""
        columns, masks = [], []
        for place, each in enumerate(self.fields):
            values, mask = types.converted(piece.column(place), each.type)
            columns.append(values)
            masks.append(mask)
        records = pa.RecordBatch.from_arrays(columns, schema=self.fields)
        odd = [mask for mask in masks if mask is not None]
        bad: tuple[BadRecord, ...] = ()
        if odd:
            aside = reduce(pc.or_, odd)
            bad = tuple(self._bad(piece, row) for row in range(piece.num_rows) if aside[row].as_py())
            records = records.filter(pc.invert(aside))
        share = progress.add(piece.num_rows)
        return Batch(records, cursor, bad, read_bytes=piece.nbytes, progress=share)

    def _bad(self, piece: pa.RecordBatch, row: int) -> BadRecord:
        texts = {name: types.value_text(piece.column(place), row) for place, name in enumerate(self.fields.names)}
        return bad_record(texts, _NO_EQUAL)
