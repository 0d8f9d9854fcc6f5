"""Reads a table in the order of a key, so that the last row's key says exactly where to go on.

A full read follows the primary key, or the key columns that the stream names; an incremental read follows its cursor
field, then that key. The cursor holds the last row's ordering values as text, cast back by their SQL types. Rows with a
NULL in the cursor field are read first, by key; a later run finds new ones above the last such key.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import closing
from dataclasses import dataclass

import pyarrow as pa
from psycopg import sql

from integrations.connectors.base import Batch, ReadRequest
from integrations.connectors.postgres import types
from integrations.connectors.postgres.catalogue import Column, Table
from integrations.connectors.postgres.selection import Progress, Select
from integrations.connectors.postgres.session import Session
from integrations.connectors.sql import Array, Key, Order, Position, kept_apart, no_key, position_of, source_changed
from integrations.connectors.sql_ranges import range_of


@dataclass(frozen=True)
class OrderColumn:
    """One ordering column; a type without an order of its own is ordered by its text, byte by byte."""

    column: Column

    @property
    def expression(self) -> sql.Composable:
        """What to order and compare by."""
        name = sql.Identifier(self.column.name)
        return name if types.is_ordered(self.column) else sql.SQL('({}::text COLLATE "C")').format(name)

    @property
    def value(self) -> sql.Composable:
        """What to select to learn the value."""
        text = sql.SQL("{}::text").format(sql.Identifier(self.column.name))
        return types.selected(self.column) if types.is_ordered(self.column) else text

    def literal(self, value: object) -> sql.Composable:
        """Return a value of the cursor as SQL."""
        # `declared` is made and quoted by PostgreSQL's own format_type.
        kind = sql.SQL(self.column.declared if types.is_ordered(self.column) else "text")
        return sql.SQL("{}::{}").format(sql.Literal(str(value)), kind)


class KeyedReader:
    """One read of one table by key."""

    def __init__(self, session: Session, table: Table, request: ReadRequest) -> None:
        self.table, self.request = table, request
        self.order = Order(request.cursor_field, request.primary_key or table.primary_key)
        missing = [name for name in self.order.columns if name not in table.by_name]
        if missing:
            raise source_changed(table.name, f"{', '.join(missing)} is gone")
        self.range = range_of(request.partition, self.order)
        self.ordering = tuple(OrderColumn(table.by_name[name]) for name in self.order.columns)
        self.select = Select(session, table, request, hidden=tuple(column.value for column in self.ordering))
        self.session = session

    def batches(self) -> Iterator[Batch]:
        """Yield the batches after the request's cursor, within the caller's transaction."""
        position = position_of(self.request.cursor, self.order)
        progress = self._progress(position)
        if self._can_be_null(self.order.cursor_field) and self.request.within is None:
            with closing(self._pieces(self._null_statement(position), self.ordering[1:])) as pieces:
                for piece, key in pieces:
                    position = Position(position.after, key)
                    yield self.select.batch(piece, position.cursor(self.order), progress)
        with closing(self._pieces(self._statement(position), self.ordering)) as pieces:
            for piece, key in pieces:
                position = Position(key, position.after_null)
                yield self.select.batch(piece, position.cursor(self.order), progress)

    def is_behind(self) -> bool:
        """Whether the newest value of the cursor field is below that of the request's cursor."""
        position = position_of(self.request.cursor, self.order)
        if position.after is None or not self.order.cursor_field:
            return False
        field = self.ordering[0]
        query = sql.SQL("SELECT EXISTS (SELECT 1 FROM {} WHERE {} OPERATOR(pg_catalog.>=) {}) AS found").format(
            self.table.identifier, field.expression, field.literal(position.after[0])
        )
        return not self.session.rows(query)[0]["found"]

    def _can_be_null(self, name: str) -> bool:
        return bool(name) and name not in self.order.key and self.table.by_name[name].nullable

    def _progress(self, position: Position) -> Progress:
        total = self.table.estimated_rows
        if total and (self.request.partition is not None or self.request.within is not None):
            total = self.session.plan_rows(self._statement(Position()))
        if not total or self.request.cursor is None:
            return Progress(total)
        remaining = self.session.plan_rows(self._statement(position))
        return Progress(total, max(0, total - remaining))

    def _null_statement(self, position: Position) -> sql.Composable:
        field = sql.SQL("{} IS NULL AND ").format(sql.Identifier(self.order.cursor_field))
        key = self.ordering[1:]
        return self.select.statement(field + self._after(key, position.after_null), listed(key))

    def _statement(self, position: Position) -> sql.Composable:
        condition = self._after(self.ordering, position.after or self.range.after) + self._upto() + self._within()
        if self._can_be_null(self.order.cursor_field):
            condition = sql.SQL("{} IS NOT NULL AND ").format(sql.Identifier(self.order.cursor_field)) + condition
        return self.select.statement(condition, listed(self.ordering))

    def _after(self, ordering: tuple[OrderColumn, ...], key: Key | None) -> sql.Composable:
        """Everything above a key; rows with a NULL in a key are let through, to be met and refused, not lost."""
        if key is None:
            return sql.SQL("true")
        values = _row(ordering, key)
        # The operator is named with its schema: no function of another user stands in for it.
        above = sql.SQL("ROW({}) OPERATOR(pg_catalog.>) ROW({})").format(listed(ordering), values)
        solid = all(not self.table.by_name[name].nullable for name in self.order.key)
        return above if solid else sql.SQL("({}) IS NOT FALSE").format(above)

    def _within(self) -> sql.Composable:
        """The range of a backfill; its values were checked against the column's type."""
        within = self.request.within
        if within is None:
            return sql.SQL("")
        column = OrderColumn(self.table.by_name[within.field])
        return sql.SQL(" AND {0} OPERATOR(pg_catalog.>=) {1} AND {0} OPERATOR(pg_catalog.<) {2}").format(
            column.expression, column.literal(within.low), column.literal(within.high)
        )

    def _upto(self) -> sql.Composable:
        if self.range.upto is None:
            return sql.SQL("")
        ends = _row(self.ordering, self.range.upto)
        return sql.SQL(" AND ROW({}) OPERATOR(pg_catalog.<=) ROW({})").format(listed(self.ordering), ends)

    def _pieces(
        self, statement: sql.Composable, ordering: tuple[OrderColumn, ...]
    ) -> Generator[tuple[pa.RecordBatch, Key]]:
        """Yield pieces with the key of their last row."""
        unique = self.table.is_unique(self.order.key)
        shared = f"several rows share one value of {', '.join(self.order.columns)}"
        return kept_apart(
            self._with_keys(statement, ordering), unique=unique, refuse=lambda: no_key(self.table.name, shared)
        )

    def _with_keys(
        self, statement: sql.Composable, ordering: tuple[OrderColumn, ...]
    ) -> Generator[tuple[pa.RecordBatch, Key, Key]]:
        with closing(self.select.pieces(statement)) as pieces:
            for piece in pieces:
                self._refuse_null_keys(piece)
                yield piece, self._key(piece, 0, ordering), self._key(piece, piece.num_rows - 1, ordering)

    def _hidden(self, piece: pa.RecordBatch, column: OrderColumn) -> Array:
        return piece.column(len(self.select.fields) + self.ordering.index(column))

    def _key(self, piece: pa.RecordBatch, row: int, ordering: tuple[OrderColumn, ...]) -> Key:
        return tuple(types.value_text(self._hidden(piece, column), row) or "" for column in ordering)

    def _refuse_null_keys(self, piece: pa.RecordBatch) -> None:
        for column in self.ordering:
            if column.column.name in self.order.key and self._hidden(piece, column).null_count:
                raise no_key(self.table.name, f"the key column {column.column.name!r} holds NULL")


def listed(ordering: tuple[OrderColumn, ...]) -> sql.Composable:
    """The ordering's expressions, to order or compare by."""
    return sql.SQL(", ").join([column.expression for column in ordering])


def _row(ordering: tuple[OrderColumn, ...], key: Key) -> sql.Composable:
    return sql.SQL(", ").join([column.literal(value) for column, value in zip(ordering, key, strict=True)])
