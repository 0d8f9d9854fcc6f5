"""Reads a table in the order of a key, in one snapshot, as bounded Arrow batches.

A full read follows the primary key, or the key columns that the stream names; an incremental read follows its cursor
field, then that key. Rows with a NULL in the cursor field come first, by key; a later run finds new ones above the last
such key. A table without a key is followed by its row numbers. VACUUM may renumber those, and it changes the number of
the file's schema (as any change of a table does), so the cursor holds that too, and a resume after a change is refused.
A view without named key columns can be read whole and not continued: its cursor says so, and is refused.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from typing import Any

import pyarrow as pa

from integrations.connectors.base import Batch, Cursor, ReadRequest
from integrations.connectors.sql import (
    Key,
    Order,
    Position,
    bad_record,
    cursor_invalid,
    kept_apart,
    no_key,
    pinned_fields,
    position_of,
    source_changed,
)
from integrations.connectors.sql_ranges import range_of
from integrations.connectors.sqlite import types
from integrations.connectors.sqlite.catalogue import Table, quoted
from integrations.connectors.sqlite.database import Database, Row

_FIRST_FETCH = 1_000


def table_schema(table: Table) -> pa.Schema:
    """Return the Arrow schema of a table as it is read."""
    return pa.schema([pa.field(c.name, types.arrow_type(c.declared), c.nullable) for c in table.columns])


class TableReader:
    """One read of one table, within the caller's transaction."""

    def __init__(self, database: Database, table: Table, request: ReadRequest) -> None:
        self.database, self.table, self.request = database, table, request
        self.fields = pinned_fields(table.name, table_schema(table), request.schema)
        named = request.primary_key or table.primary_key
        self.by_row_id = not named and bool(table.row_id)
        self.order = Order(request.cursor_field, named or ((table.row_id,) if table.row_id else ()))
        missing = [
            name
            for name in self.order.columns
            if name not in table.by_name and not (self.by_row_id and name == table.row_id)
        ]
        if missing:
            raise source_changed(table.name, f"{', '.join(missing)} is gone")
        self.range = range_of(request.partition, self.order)
        self._fetch = min(request.batch_records, _FIRST_FETCH)
        self._read = self._total = 0

    def batches(self) -> Iterator[Batch]:
        """Yield the batches after the request's cursor."""
        if not self.order.key:
            yield from self._unordered()
            return
        guard = self.guard()
        position = self._position(guard)
        self.refuse_null_keys()
        self._count(position)
        if self._can_be_null():
            with closing(self._pieces(position, nulls=True)) as pieces:
                for rows, key in pieces:
                    position = Position(position.after, key)
                    yield self._batch(rows, position.cursor(self.order) | guard)
        with closing(self._pieces(position, nulls=False)) as pieces:
            for rows, key in pieces:
                position = Position(key, position.after_null)
                yield self._batch(rows, position.cursor(self.order) | guard)

    def is_behind(self) -> bool:
        """Whether the newest value of the cursor field is below that of the request's cursor."""
        position = position_of(self.request.cursor, self.order)
        if position.after is None or not self.order.cursor_field:
            return False
        newest = f"SELECT EXISTS (SELECT 1 FROM {quoted(self.table.name)} WHERE {quoted(self.order.cursor_field)} >= ?)"  # noqa: S608 - as above
        return not self.database.rows(newest, [_value(position.after[0])])[0][0]

    def _unordered(self) -> Iterator[Batch]:
        if self.order.cursor_field:
            raise no_key(self.table.name, "an incremental read needs a key to tell rows with equal cursor values apart")
        if self.request.cursor is not None:
            if set(self.request.cursor) != {"unordered"}:
                raise cursor_invalid("it was made for another stream")
            raise no_key(self.table.name, "it has no key and no row numbers")
        query = f"SELECT {self._columns()} FROM {quoted(self.table.name)}"  # noqa: S608 - quoted, from the catalogue
        with closing(self.database.fetches(query, (), self._sizes())) as fetches:
            for number, rows in enumerate(fetches, start=1):
                yield self._batch(rows, {"unordered": number})

    def guard(self) -> Cursor:
        """What must be the same whenever the read goes on."""
        if not self.by_row_id:
            return {}
        return {"schema_version": self.database.rows("PRAGMA schema_version")[0][0]}

    def _position(self, guard: Cursor) -> Position:
        cursor = self.request.cursor
        position = position_of(cursor, self.order)
        partition = self.request.partition
        stored = [] if partition is None else [partition.spec]
        stored += [] if cursor is None else [cursor]
        if not all(guard.items() <= each.items() for each in stored):
            raise cursor_invalid("the table has no key, and the file was changed or vacuumed since")
        return position

    def refuse_null_keys(self) -> None:
        """Raise where a row's key holds NULL."""
        nullable = [name for name in self.order.key if name in self.table.by_name and self.table.by_name[name].nullable]
        condition = " OR ".join(f"{quoted(name)} IS NULL" for name in nullable)
        if nullable and self._exists(condition):
            raise no_key(self.table.name, f"a key column ({', '.join(nullable)}) holds NULL")

    def _exists(self, condition: str) -> bool:
        query = f"SELECT EXISTS (SELECT 1 FROM {quoted(self.table.name)} WHERE {condition})"  # noqa: S608 - as above
        return bool(self.database.rows(query)[0][0])

    def _can_be_null(self) -> bool:
        field = self.order.cursor_field
        return bool(field) and field not in self.order.key and self.table.by_name[field].nullable

    def _count(self, position: Position) -> None:
        """Count what there is and what was read, for the progress; not in a view, where that may be the whole work."""
        if self.table.is_view:
            return
        self._total = self._rows_after(Position(), all_fields=self.request.partition is None)
        if position.after is not None:
            self._read = self._total - self._rows_after(position)

    def _rows_after(self, position: Position, *, all_fields: bool = False) -> int:
        condition, values = ("1", []) if all_fields else self._condition(position, nulls=False)
        query = f"SELECT count(*) FROM {quoted(self.table.name)} WHERE {condition}"  # noqa: S608 - as above
        return int(self.database.rows(query, values)[0][0])

    def _condition(self, position: Position, *, nulls: bool) -> tuple[str, list[Any]]:
        parts, values = ["1"], list[Any]()
        if self._can_be_null():
            parts.append(f"{quoted(self.order.cursor_field)} IS {'' if nulls else 'NOT '}NULL")
        names = self.order.columns[1:] if nulls else self.order.columns
        key = position.after_null if nulls else position.after or self.range.after
        for sign, end in ((">", key), ("<=", self.range.upto)):
            if end is not None:
                parts.append(f"({listed(names)}) {sign} ({', '.join('?' * len(names))})")
                values += [_value(text) for text in end]
        return " AND ".join(parts), values

    def _pieces(self, position: Position, *, nulls: bool) -> Generator[tuple[list[Row], Key]]:
        names = self.order.columns[1:] if nulls else self.order.columns
        shared = f"several rows share one value of {', '.join(self.order.columns)}"
        return kept_apart(
            self._with_keys(names, *self._condition(position, nulls=nulls)),
            unique=self.by_row_id or frozenset(self.order.key) in self.table.unique_keys,
            refuse=lambda: no_key(self.table.name, shared),
        )

    def _with_keys(
        self, names: Sequence[str], condition: str, values: list[Any]
    ) -> Generator[tuple[list[Row], Key, Key]]:
        order = listed(names)
        table = quoted(self.table.name)
        query = f"SELECT {self._columns()}{order} FROM {table} WHERE {condition} ORDER BY {order}"  # noqa: S608 - as above
        width = len(self.fields)
        with closing(self.database.fetches(query, values, self._sizes())) as fetches:
            for rows in fetches:
                first, last = (tuple(types.key_text(value) for value in row[width:]) for row in (rows[0], rows[-1]))
                yield rows, first, last

    def _columns(self) -> str:
        return "".join(f"{quoted(name)}, " for name in self.fields.names) + ("" if self.order.key else "1")

    def _sizes(self) -> Iterator[int]:
        while True:
            yield self._fetch

    def _batch(self, rows: list[Row], cursor: Cursor) -> Batch:
        columns, reasons = [], dict[int, str]()
        for field, values in zip(self.fields, zip(*rows, strict=True), strict=False):
            column, odd = types.arrow_column(values, field.type)
            columns.append(column)
            reasons |= dict.fromkeys(odd, f"The value of {field.name!r} is no {field.type}.")
        records = pa.RecordBatch.from_arrays(columns, schema=self.fields)
        size = records.nbytes
        bad = tuple(
            bad_record(dict(zip(self.fields.names, rows[row], strict=False)), reasons[row]) for row in sorted(reasons)
        )
        if reasons:
            records = records.filter(pa.array([row not in reasons for row in range(len(rows))]))
        self._fetch = max(1, min(self.request.batch_records, self.request.batch_bytes * len(rows) // max(1, size)))
        self._read += len(rows)
        return Batch(records, cursor, bad, size, min(1.0, self._read / self._total) if self._total else None)


def listed(names: Sequence[str]) -> str:
    """The quoted names, to select or order by."""
    return ", ".join(quoted(name) for name in names)


def _value(text: str) -> int | float | str | bytes:
    try:
        return types.key_value(text)
    except ValueError as error:
        raise cursor_invalid("its values cannot be read") from error
