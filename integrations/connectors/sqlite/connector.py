"""The SQLite plugin: what it declares, its connection test, and its doors to reading and writing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import ClassVar

import pyarrow as pa

from accounts.errors import SignalboxError
from integrations.connectors.base import (
    Batch,
    CheckResult,
    Context,
    Cut,
    Guarantee,
    Partition,
    PluginSpec,
    ReadRequest,
    Stream,
    Writer,
    WriteRequest,
)
from integrations.connectors.sql import require_key
from integrations.connectors.sqlite import catalogue, partition, types
from integrations.connectors.sqlite.database import SETTINGS, Database, DatabaseFile
from integrations.connectors.sqlite.failures import Doing
from integrations.connectors.sqlite.reader import TableReader, table_schema
from integrations.connectors.sqlite.writer import SqliteWriter, widen
from integrations.domain.words import counted
from integrations.errors import STREAM_MISSING, NeedsPerson

COUNTED_AT_MOST = 50_000


class SqliteConnector:
    """Tables of one database file."""

    spec: ClassVar[PluginSpec] = PluginSpec(
        key="sqlite",
        label="SQLite",
        description="Tables and views of a SQLite file below the folder that the instance allows.",
        icon="database",
        settings=SETTINGS,
        reads=True,
        writes=True,
        guarantee=Guarantee.TRANSACTIONAL,
    )

    def __init__(self, context: Context) -> None:
        self._file = DatabaseFile(context)

    def check(self) -> CheckResult:
        """Open the file and look at its tables."""
        try:
            if self._file.creates and not self._file.exists():
                return CheckResult(True, f"{self._file.shown!r} will be created by the first write.")
            with self._file.open(Doing.READING) as database:
                count = len(catalogue.tables(database))
        except SignalboxError as error:
            return CheckResult(False, error.message, error.what_to_do, error.code)
        return CheckResult(
            True,
            f"{self._file.shown!r} can be opened; it has {counted(count, 'table or view', 'tables and views')}.",
            detail={"tables": count},
        )

    def discover(self) -> Sequence[Stream]:
        """List the tables and views."""
        with self._file.open(Doing.READING) as database:
            return [_stream(database, table) for table in catalogue.tables(database)]

    def describe(self, stream: str) -> Stream:
        """Return one table or view."""
        with self._file.open(Doing.READING) as database:
            return _stream(database, _table(database, stream))

    def read(self, request: ReadRequest) -> Iterator[Batch]:
        """Read a table in one snapshot, in the order that `reader` describes."""
        with self._file.open(Doing.READING) as database, database.transaction("DEFERRED"):
            yield from TableReader(database, _table(database, request.stream), request).batches()

    def is_behind(self, request: ReadRequest) -> bool:
        """Say whether the table's newest record is older than the request's cursor."""
        with self._file.open(Doing.READING) as database:
            return TableReader(database, _table(database, request.stream), request).is_behind()

    def partitions(self, request: ReadRequest, cut: Cut) -> Sequence[Partition]:
        """Cut a table into ranges of its key, or of its row numbers."""
        with self._file.open(Doing.READING) as database, database.transaction("DEFERRED"):
            return partition.partitions(database, TableReader(database, _table(database, request.stream), request), cut)

    def range_fields(self, stream: str) -> Sequence[str]:
        """Return the columns that an ordered read can follow."""
        return self.describe(stream).cursor_fields

    def open_writer(self, request: WriteRequest) -> AbstractContextManager[Writer]:
        """Open a table for writing; the fence is registered at once."""
        require_key(request)
        return self._writer(request)

    def add_columns(self, stream: str, schema: pa.Schema) -> Sequence[str]:
        """Add the columns that a table lacks."""
        with self._file.open(Doing.WRITING) as database, database.transaction("IMMEDIATE"):
            return widen(database, stream, schema)

    def close(self) -> None:
        """Nothing stays open between calls: each read and each writer opens the file itself."""

    @contextmanager
    def _writer(self, request: WriteRequest) -> Iterator[Writer]:
        with self._file.open(Doing.WRITING) as database:
            yield SqliteWriter(database, request)


def _table(database: Database, name: str) -> catalogue.Table:
    table = catalogue.table(database, name)
    if table is None:
        raise NeedsPerson(STREAM_MISSING, f"There is no table {name!r} in the file.")
    return table


def _stream(database: Database, table: catalogue.Table) -> Stream:
    return Stream(
        name=table.name,
        schema=table_schema(table),
        primary_key=table.primary_key,
        cursor_fields=tuple(column.name for column in table.columns if types.can_be_cursor(column.declared)),
        estimated_records=_about(database, table),
    )


def _about(database: Database, table: catalogue.Table) -> int | None:
    """How many records: counted where they are few, else the highest row number, unless the records bring their own."""
    if not table.row_id:
        return None
    name = catalogue.quoted(table.name)
    few = f"SELECT count(*) FROM (SELECT 1 FROM {name} LIMIT {COUNTED_AT_MOST + 1})"  # noqa: S608 - from the catalogue
    count = int(database.rows(few)[0][0])
    if count <= COUNTED_AT_MOST:
        return count
    if any(table.primary_key == (each.name,) and each.declared.upper() == "INTEGER" for each in table.columns):
        return None
    return int(database.rows(f"SELECT max({table.row_id}) FROM {name}")[0][0])  # noqa: S608 - as above
