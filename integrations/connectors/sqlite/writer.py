"""Writes batches into a table, each in one IMMEDIATE transaction with its checkpoint."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from integrations.connectors.base import Commit, StoredCheckpoint, TransactionalWriter, WriteMode, WriteRequest
from integrations.connectors.sql import CHECKPOINT_TABLE, lease_lost, plain_batch, plain_type, refuse_null_keys
from integrations.connectors.sqlite import catalogue, types
from integrations.connectors.sqlite.catalogue import Table, quoted
from integrations.connectors.sqlite.database import Database, Row
from integrations.errors import KEY_MISSING, RECORD_REFUSED, TABLE_INCOMPATIBLE, NeedsPerson, RecordsRefused

_CREATE_CHECKPOINTS = f"""
CREATE TABLE IF NOT EXISTS {CHECKPOINT_TABLE} (
  owner TEXT NOT NULL, stream TEXT NOT NULL, run TEXT NOT NULL, batch_number INTEGER NOT NULL, cursor TEXT NOT NULL,
  fence INTEGER NOT NULL, updated_at TEXT NOT NULL, PRIMARY KEY (owner, stream))
"""
_CLAIM = f"""
INSERT INTO {CHECKPOINT_TABLE} (owner, stream, run, batch_number, cursor, fence, updated_at)
VALUES (:owner, :stream, '', 0, 'null', :fence, :now)
ON CONFLICT (owner, stream) DO UPDATE SET fence = excluded.fence, updated_at = excluded.updated_at
WHERE {CHECKPOINT_TABLE}.fence <= excluded.fence
"""  # noqa: S608 - our own table
_STORED = f"SELECT run, batch_number, cursor, fence FROM {CHECKPOINT_TABLE} WHERE owner = ? AND stream = ?"  # noqa: S608
_COMMIT = f"""
UPDATE {CHECKPOINT_TABLE} SET run = :run, batch_number = :batch_number, cursor = :cursor, fence = :fence,
  updated_at = :now WHERE owner = :owner AND stream = :stream AND fence <= :fence
"""  # noqa: S608 - our own table


class SqliteWriter(TransactionalWriter):
    """An open target table. Its fence is registered when it opens."""

    def __init__(self, database: Database, request: WriteRequest) -> None:
        self._database, self._request = database, request
        with database.transaction("IMMEDIATE"):
            database.rows(_CREATE_CHECKPOINTS)
            self._table = _prepare(database, request)
        self._targets = {name: types.arrow_type(self._table.by_name[name].declared) for name in request.schema.names}
        self._insert = _insert_statement(request)
        self._claim()

    def checkpoint(self) -> StoredCheckpoint | None:
        """Return what is stored for this owner, and keep writers of lower fences out from now on."""
        return self._claim()

    def stage(self, records: pa.RecordBatch) -> None:
        """Nothing can be done ahead: there is one writer."""

    def write(self, records: pa.RecordBatch, commit: Commit) -> None:
        """Store the records and the commit in one transaction."""
        rows = self._rows(records)
        with self._database.transaction("IMMEDIATE"):
            self._store_commit(commit)
            self._database.insert(self._insert, rows)

    def probe(self, records: pa.RecordBatch) -> None:
        """Do what `write` does with the records, and roll it back."""
        rows = self._rows(records)
        with self._database.transaction("IMMEDIATE", keep=False):
            self._database.insert(self._insert, rows)

    def finish(self, commit: Commit) -> None:
        """Store the last commit; the records are visible already."""
        with self._database.transaction("IMMEDIATE"):
            self._store_commit(commit)

    def abort(self) -> None:
        """Give up what is not committed."""
        self._database.roll_back()

    def _rows(self, records: pa.RecordBatch) -> list[Row]:
        request = self._request
        plain = plain_batch(records, request.schema)
        if request.mode is WriteMode.UPSERT:
            refuse_null_keys(plain, request.key)
        return list(zip(*(self._column(plain, name) for name in plain.schema.names), strict=True))

    def _column(self, records: pa.RecordBatch, name: str) -> list[object]:
        """Return a column as SQLite keeps it, after a check that it will read back as what the table declares."""
        values = records.column(name)
        if types.has_nan(values):
            raise RecordsRefused(RECORD_REFUSED, f"A value of {name!r} is NaN, which SQLite cannot keep.", column=name)
        try:
            return types.stored(pc.cast(values, self._targets[name]))
        except pa.ArrowInvalid as error:
            message = f"A value of {name!r} does not fit {self._table.by_name[name].declared}: {error}"
            raise RecordsRefused(RECORD_REFUSED, message, column=name) from error

    def _claim(self) -> StoredCheckpoint | None:
        request = self._request
        values = {"owner": request.owner, "stream": request.stream, "fence": request.fence, "now": _now()}
        with self._database.transaction("IMMEDIATE"):
            if not self._database.changed(_CLAIM, values):
                raise lease_lost(request.fence)
            run, batch_number, cursor, fence = self._database.rows(_STORED, (request.owner, request.stream))[0]
        return StoredCheckpoint(run, batch_number, json.loads(cursor), fence) if run else None

    def _store_commit(self, commit: Commit) -> None:
        request = self._request
        values = {
            "owner": request.owner,
            "stream": request.stream,
            "fence": request.fence,
            "run": commit.run,
            "batch_number": commit.batch_number,
            "cursor": json.dumps(commit.cursor),
            "now": _now(),
        }
        if not self._database.changed(_COMMIT, values):
            raise lease_lost(request.fence)


def _now() -> str:
    return datetime.now(UTC).isoformat()


def _prepare(database: Database, request: WriteRequest) -> Table:
    """Find or create the table, and check that the records fit."""
    table = catalogue.table(database, request.stream)
    if table is None and request.create:
        database.rows(_create_statement(request))
        table = catalogue.table(database, request.stream)
    if table is None or table.is_view:
        raise NeedsPerson(TABLE_INCOMPATIBLE, f"There is no table {request.stream!r} to write into.")
    for field in request.schema:
        _check_column(table, field.name, plain_type(field.type))
    if request.mode is WriteMode.UPSERT and frozenset(request.key) not in table.unique_keys:
        raise NeedsPerson(
            KEY_MISSING, f"The table {table.name!r} has no unique index on exactly {', '.join(request.key)}."
        )
    return table


def widen(database: Database, stream: str, wanted: pa.Schema) -> Sequence[str]:
    """Add the columns that the table lacks, within the caller's transaction; return their names."""
    table = catalogue.table(database, stream)
    missing = [field for field in wanted if table is not None and field.name not in table.by_name]
    for field in missing:
        database.rows(f"ALTER TABLE {quoted(stream)} ADD COLUMN {quoted(field.name)} {_created_type(field)}")
    return [field.name for field in missing]


def _created_type(field: pa.Field[Any]) -> str:
    kind = types.created_type(plain_type(field.type))
    if kind is None:
        raise NeedsPerson(TABLE_INCOMPATIBLE, f"SQLite has no type for {field.name!r} ({field.type}).")
    return kind


def _create_statement(request: WriteRequest) -> str:
    parts = [
        f"{quoted(field.name)} {_created_type(field)}{' NOT NULL' if field.name in request.key else ''}"
        for field in request.schema
    ]
    if request.mode is WriteMode.UPSERT:
        parts.append(f"PRIMARY KEY ({', '.join(quoted(name) for name in request.key)})")
    return f"CREATE TABLE {quoted(request.stream)} ({', '.join(parts)})"


def _check_column(table: Table, name: str, plain: pa.DataType) -> None:
    column = table.by_name.get(name)
    if column is None or column.generated:
        raise NeedsPerson(TABLE_INCOMPATIBLE, f"The table {table.name!r} has no column {name!r} to write into.")
    try:
        pc.cast(pa.array([], plain), types.arrow_type(column.declared))
    except pa.ArrowNotImplementedError as error:
        message = f"The column {name!r} is {column.declared}, and {plain} cannot become that."
        raise NeedsPerson(TABLE_INCOMPATIBLE, message) from error
    if types.loses_digits(plain, column.declared):
        message = f"SQLite would round decimals in {name!r} ({column.declared}); declare it as text."
        raise NeedsPerson(TABLE_INCOMPATIBLE, message)


def _insert_statement(request: WriteRequest) -> str:
    names = request.schema.names
    columns, places = ", ".join(quoted(name) for name in names), ", ".join("?" * len(names))
    insert = f"INSERT INTO {quoted(request.stream)} ({columns}) VALUES ({places})"  # noqa: S608 - quoted, from the catalogue
    if request.mode is WriteMode.APPEND:
        return insert
    changes = ", ".join(f"{quoted(n)} = excluded.{quoted(n)}" for n in names if n not in request.key)
    action = f"UPDATE SET {changes}" if changes else "NOTHING"
    return f"{insert} ON CONFLICT ({', '.join(quoted(name) for name in request.key)}) DO {action}"
