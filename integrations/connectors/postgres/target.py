"""The table that records are written into: found or created, checked against the records, and its INSERT."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from psycopg import sql

from accounts.errors import SignalboxError
from integrations.connectors.base import WriteMode, WriteRequest
from integrations.connectors.postgres import catalogue, types
from integrations.connectors.postgres.catalogue import Table
from integrations.connectors.postgres.inserting import Insert
from integrations.connectors.postgres.session import Session
from integrations.connectors.sql import CHECKPOINT_TABLE, plain_type
from integrations.errors import KEY_MISSING, PERMISSION_MISSING, TABLE_INCOMPATIBLE, NeedsPerson

_CHECKPOINTS = sql.SQL("""
(owner text NOT NULL, stream text NOT NULL, run text NOT NULL, batch_number bigint NOT NULL, cursor text NOT NULL,
  fence bigint NOT NULL, updated_at timestamptz NOT NULL, PRIMARY KEY (owner, stream))
""")
_DUPLICATE = frozenset({"23505", "42P07"})  # another worker created it in the same moment


@dataclass(frozen=True)
class Target:
    """A table that fits the records; `staged` are the types of the staging table, by column."""

    table: Table
    staged: dict[str, str]

    def stage_statement(self, stage: str, ordinal: str, *, keeps: bool = False) -> sql.Composable:
        """Return the CREATE of the temporary table; its rows go at each commit, unless it `keeps` them."""
        columns = [sql.SQL("{} {}").format(sql.Identifier(name), sql.SQL(kind)) for name, kind in self.staged.items()]
        columns.append(sql.SQL("{} integer").format(sql.Identifier(ordinal)))
        return sql.SQL("CREATE TEMPORARY TABLE {} ({}) ON COMMIT {} ROWS").format(
            sql.Identifier(stage), sql.SQL(", ").join(columns), sql.SQL("PRESERVE" if keeps else "DELETE")
        )

    def insert(self, stage: str, ordinal: str, request: WriteRequest, *, repeats: bool) -> Insert:
        """Return the INSERT from the staging table. Where a batch repeats keys, the last record of each holds."""
        columns = list(self.staged)
        parts = {
            "target": self.table.identifier,
            "columns": _names(columns),
            "values": self._casts(columns),
            "stage": sql.Identifier("pg_temp", stage),
        }
        plain = sql.SQL("INSERT INTO {target} ({columns}) SELECT {values} FROM {stage} s").format(**parts)
        if request.mode is WriteMode.APPEND:
            return Insert(plain)
        key = self._casts(list(request.key))
        first: sql.Composable = sql.SQL("")
        last: sql.Composable = sql.SQL("")
        if repeats:
            first = sql.SQL("DISTINCT ON ({})").format(key)
            last = sql.SQL("ORDER BY {}, s.{} DESC").format(key, sql.Identifier(ordinal))
        upsert = sql.SQL(
            "INSERT INTO {target} ({columns}) SELECT {first} {values} FROM {stage} s {last}"
            " ON CONFLICT ({names}) {action}"
        ).format(
            **parts,
            first=first,
            last=last,
            names=_names(list(request.key)),
            action=_action([name for name in columns if name not in request.key]),
        )
        return Insert(upsert, None if repeats else plain)

    def can_repeat(self, records: pa.RecordBatch, key: tuple[str, ...]) -> bool:
        """Whether records may share a key. It looks only at columns that keep their type, where equal means equal."""
        exact = [name for name in key if self.table.by_name[name].cast == self.staged[name]]
        columns = [records.column(name) for name in exact if not pa.types.is_floating(records.schema.field(name).type)]
        return not any(pc.count_distinct(column).as_py() == records.num_rows for column in columns)

    def _casts(self, names: list[str]) -> sql.Composable:
        columns = self.table.by_name
        return sql.SQL(", ").join([types.cast_from_stage(columns[name], self.staged[name]) for name in names])


def prepare(session: Session, schema: str, request: WriteRequest) -> Target:
    """Find or create the table and the checkpoint table, and check that the records fit; raises NeedsPerson."""
    staged = {field.name: _stage_type(field) for field in request.schema}
    _ensure(session, schema, CHECKPOINT_TABLE, _CHECKPOINTS)
    table = catalogue.table(session, schema, request.stream)
    if table is None and not request.create:
        raise NeedsPerson(TABLE_INCOMPATIBLE, f"There is no table {request.stream!r} in the schema {schema!r}.")
    table = table or _ensure(session, schema, request.stream, _create_statement(request))
    _check_columns(table, request)
    _check_key(table, request)
    return Target(table, staged)


def widen(session: Session, schema: str, name: str, wanted: pa.Schema) -> Sequence[str]:
    """Add the columns that the table lacks, and return their names; raises NeedsPerson."""
    table = catalogue.table(session, schema, name)
    missing = [field for field in wanted if table is not None and field.name not in table.by_name]
    if missing:
        # (Another worker may add them in the same moment.)
        columns = [
            sql.SQL("ADD COLUMN IF NOT EXISTS {} {}").format(sql.Identifier(field.name), sql.SQL(_created_type(field)))
            for field in missing
        ]
        session.run(sql.SQL("ALTER TABLE {} ").format(sql.Identifier(schema, name)) + sql.SQL(", ").join(columns))
    return [field.name for field in missing]


def _ensure(session: Session, schema: str, name: str, statement: sql.SQL | sql.Composed) -> Table:
    """Return the table of that name, created with the statement where it is missing."""
    found = catalogue.table(session, schema, name)
    if found is not None:
        return found
    try:
        session.run(sql.SQL("CREATE TABLE {} ").format(sql.Identifier(schema, name)) + statement)
    except SignalboxError as error:
        if error.detail.get("sqlstate") not in _DUPLICATE:
            raise
    created = catalogue.table(session, schema, name)
    if created is None:
        raise NeedsPerson(PERMISSION_MISSING, f"The table {name!r} was created and cannot be seen.")
    return created


def _create_statement(request: WriteRequest) -> sql.Composed:
    columns: list[sql.Composable] = [
        sql.SQL("{} {}").format(sql.Identifier(field.name), sql.SQL(_created_type(field))) for field in request.schema
    ]
    if request.mode is WriteMode.UPSERT:
        columns.append(sql.SQL("PRIMARY KEY ({})").format(_names(list(request.key))))
    return sql.SQL("({})").format(sql.SQL(", ").join(columns))


def _stage_type(field: pa.Field[Any]) -> str:
    return _typed(field, types.stage_type(plain_type(field.type)))


def _created_type(field: pa.Field[Any]) -> str:
    return _typed(field, types.created_type(field.type, plain_type(field.type)))


def _typed(field: pa.Field[Any], kind: str | None) -> str:
    if kind is None:
        raise NeedsPerson(TABLE_INCOMPATIBLE, f"PostgreSQL has no type for {field.name!r} ({field.type}).")
    return kind


def _check_columns(table: Table, request: WriteRequest) -> None:
    columns = table.by_name
    missing = [name for name in request.schema.names if name not in columns]
    if missing:
        raise NeedsPerson(TABLE_INCOMPATIBLE, f"The table {table.name!r} has no column {', '.join(missing)}.")
    generated = [name for name in request.schema.names if columns[name].generated]
    if generated:
        raise NeedsPerson(TABLE_INCOMPATIBLE, f"The table {table.name!r} fills {', '.join(generated)} itself.")


def _check_key(table: Table, request: WriteRequest) -> None:
    if request.mode is WriteMode.UPSERT and frozenset(request.key) not in table.unique_keys:
        raise NeedsPerson(
            KEY_MISSING, f"The table {table.name!r} has no unique index on exactly {', '.join(request.key)}."
        )


def _names(names: list[str]) -> sql.Composable:
    return sql.SQL(", ").join([sql.Identifier(name) for name in names])


def _action(names: list[str]) -> sql.Composable:
    if not names:
        return sql.SQL("DO NOTHING")
    changes = [sql.SQL("{0} = EXCLUDED.{0}").format(sql.Identifier(name)) for name in names]
    return sql.SQL("DO UPDATE SET ") + sql.SQL(", ").join(changes)
