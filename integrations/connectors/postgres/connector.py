"""The PostgreSQL plugin: what it declares, its connection test, and its doors to reading and writing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, closing, contextmanager
from typing import ClassVar

import pyarrow as pa
from psycopg import sql

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
from integrations.connectors.gate import gated
from integrations.connectors.postgres import catalogue, partition, target, types, unkeyed
from integrations.connectors.postgres.failures import Doing
from integrations.connectors.postgres.keyed import KeyedReader
from integrations.connectors.postgres.selection import table_schema
from integrations.connectors.postgres.session import Bounds, Session
from integrations.connectors.postgres.settings import SETTINGS, PostgresSettings
from integrations.connectors.postgres.writer import PostgresWriter
from integrations.connectors.sql import no_key, require_key
from integrations.domain.words import counted
from integrations.errors import STREAM_MISSING, NeedsPerson

_SNAPSHOT = "ISOLATION LEVEL REPEATABLE READ READ ONLY"
_ABOUT = sql.SQL("""
SELECT current_setting('server_version') AS version, r.rolsuper AS superuser,
  EXISTS (SELECT FROM pg_catalog.pg_namespace WHERE nspname = {schema}) AS found,
  (SELECT has_schema_privilege(oid, 'USAGE') FROM pg_catalog.pg_namespace WHERE nspname = {schema}) AS usable
FROM pg_catalog.pg_roles r WHERE r.rolname = current_user
""")


class PostgresConnector:
    """Tables of one schema of one database."""

    spec: ClassVar[PluginSpec] = PluginSpec(
        key="postgres",
        label="PostgreSQL",
        description="Tables and views of a PostgreSQL database, read and written by binary COPY.",
        icon="database",
        settings=SETTINGS,
        credential_kinds=("basic",),
        credential_required=True,
        reads=True,
        writes=True,
        guarantee=Guarantee.TRANSACTIONAL,
        parallel_writes=True,
    )

    def __init__(self, context: Context) -> None:
        self._context = context
        self._settings = PostgresSettings.of(context)

    def check(self) -> CheckResult:
        """Sign in, and look at the schema."""
        try:
            with self._session(Doing.READING) as session:
                about = session.rows(_ABOUT.format(schema=self._settings.schema))[0]
                count = len(catalogue.tables(session, self._settings.schema))
        except SignalboxError as error:
            return CheckResult(False, error.message, error.what_to_do, error.code)
        if not about["found"] or not about["usable"]:
            verdict = NeedsPerson(
                STREAM_MISSING, f"There is no schema {self._settings.schema!r} that this user may use."
            )
            return CheckResult(False, verdict.message, verdict.what_to_do, verdict.code)
        advice = "The user is a superuser: better use one with only the rights it needs." if about["superuser"] else ""
        tables = counted(count, "table or view", "tables and views")
        return CheckResult(
            True,
            f"Signed in to PostgreSQL {about['version']}; {tables} can be read.",
            advice,
            detail={"version": about["version"], "tables": count, "superuser": about["superuser"]},
        )

    def discover(self) -> Sequence[Stream]:
        """List the tables and views that can be read."""
        with self._session(Doing.READING) as session:
            return [_stream(table) for table in catalogue.tables(session, self._settings.schema)]

    def describe(self, stream: str) -> Stream:
        """Return one table or view."""
        with self._session(Doing.READING) as session:
            return _stream(self._table(session, stream))

    def read(self, request: ReadRequest) -> Iterator[Batch]:
        """Read a table in one snapshot, in the order that `keyed` and `unkeyed` describe."""
        with self._session(Doing.READING) as session:
            table = self._table(session, request.stream)
            with session.transaction(_SNAPSHOT):
                yield from _batches(session, table, request)

    def is_behind(self, request: ReadRequest) -> bool:
        """Say whether the table's newest record is older than the request's cursor."""
        with self._session(Doing.READING) as session:
            return KeyedReader(session, self._table(session, request.stream), request).is_behind()

    def partitions(self, request: ReadRequest, cut: Cut) -> Sequence[Partition]:
        """Cut a table that has a key into ranges of it."""
        with self._session(Doing.READING) as session:
            table = self._table(session, request.stream)
            if not request.primary_key and not table.primary_key:
                return []
            return partition.partitions(session, KeyedReader(session, table, request), cut)

    def range_fields(self, stream: str) -> Sequence[str]:
        """Return the columns that an ordered read can follow."""
        return self.describe(stream).cursor_fields

    def open_writer(self, request: WriteRequest) -> AbstractContextManager[Writer]:
        """Open a table for writing; the fence is registered at once."""
        require_key(request)
        return self._writer(request)

    def add_columns(self, stream: str, schema: pa.Schema) -> Sequence[str]:
        """Add the columns that a table lacks."""
        with self._session(Doing.WRITING) as session:
            return target.widen(session, self._settings.schema, stream, schema)

    def close(self) -> None:
        """Nothing stays open between calls: each read and each writer has its own session."""

    def _table(self, session: Session, name: str) -> catalogue.Table:
        table = catalogue.table(session, self._settings.schema, name)
        if table is None:
            schema = self._settings.schema
            raise NeedsPerson(STREAM_MISSING, f"There is no table {name!r} in the schema {schema!r}.")
        return table

    @contextmanager
    def _writer(self, request: WriteRequest) -> Iterator[Writer]:
        with self._session(Doing.WRITING) as session:
            found = target.prepare(session, self._settings.schema, request)
            with closing(PostgresWriter(session, request, found, lambda: self._session(Doing.WRITING))) as writer:
                yield writer

    def _session(self, doing: Doing) -> Session:
        limits = self._context.limits
        reading = doing is Doing.READING
        bounds = Bounds(
            # The time of a streamed read is that of its consumer, which stops within a slice.
            statement_seconds=limits.read_timeout_seconds * (10 if reading else 1),
            lock_seconds=min(5.0, limits.read_timeout_seconds),
            idle_seconds=limits.read_timeout_seconds * 4 if reading else min(10.0, limits.read_timeout_seconds),
            read_only=reading,
        )
        gate = self._context.gate
        return gated(gate, lambda leave: Session(self._conninfo(), bounds, doing, on_close=leave))

    def _conninfo(self) -> str:
        return self._settings.conninfo(self._context.egress_allow, self._context.limits)


def _batches(session: Session, table: catalogue.Table, request: ReadRequest) -> Iterator[Batch]:
    if request.primary_key or table.primary_key:
        return KeyedReader(session, table, request).batches()
    if request.cursor_field:
        raise no_key(table.name, "an incremental read needs a key to tell rows with equal cursor values apart")
    return unkeyed.batches(session, table, request)


def _stream(table: catalogue.Table) -> Stream:
    return Stream(
        name=table.name,
        schema=table_schema(table),
        primary_key=table.primary_key,
        cursor_fields=tuple(column.name for column in table.columns if types.can_be_cursor(column)),
        estimated_records=table.estimated_rows,
    )
