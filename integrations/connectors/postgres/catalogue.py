"""What the catalogue says of the tables and views of a schema: columns, keys, sizes. Names are matched exactly."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from psycopg import sql

from integrations.connectors.postgres.session import Session
from integrations.connectors.sql import CHECKPOINT_TABLE


@dataclass(frozen=True)
class Column:
    """A column: `declared` is its type as SQL, `base` the type's name below a domain, `cast` that type without length.

    `builtin` types come with PostgreSQL; others (extensions, enums, composites) are handled as text.
    """

    name: str
    declared: str
    base: str
    cast: str
    modifier: int
    builtin: bool
    enum: bool
    array: bool
    nullable: bool
    generated: bool


@dataclass(frozen=True)
class Table:
    """A table, view, materialised view, partitioned or foreign table."""

    oid: int
    schema: str
    name: str
    kind: str
    estimated_rows: int | None
    columns: tuple[Column, ...]
    primary_key: tuple[str, ...]
    unique_keys: tuple[frozenset[str], ...]

    @property
    def identifier(self) -> sql.Identifier:
        """The quoted name."""
        return sql.Identifier(self.schema, self.name)

    @property
    def by_name(self) -> dict[str, Column]:
        """The columns by their names."""
        return {column.name: column for column in self.columns}

    def is_unique(self, names: tuple[str, ...]) -> bool:
        """Whether the database keeps rows apart by these columns, none of which is NULL."""
        solid = {name for name in names if not self.by_name[name].nullable}
        return any(key <= solid for key in self.unique_keys)


_TABLES = sql.SQL("""
SELECT c.oid::int8 AS oid, c.relname::text AS name, c.relkind::text AS kind, c.reltuples::float8 AS rows
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = {schema} AND c.relkind IN ('r', 'v', 'm', 'p', 'f') AND {which} ORDER BY c.relname
""")

_COLUMNS = sql.SQL("""
SELECT a.attrelid::int8 AS oid, a.attname::text AS name,
  pg_catalog.format_type(a.atttypid, a.atttypmod) AS declared,
  pg_catalog.format_type(b.oid, -1) AS "cast", b.typname::text AS base,
  (CASE WHEN t.typtype = 'd' THEN t.typtypmod ELSE a.atttypmod END)::int4 AS modifier,
  b.typnamespace = 'pg_catalog'::regnamespace AS builtin, b.typtype = 'e' AS "enum", b.typcategory = 'A' AS "array",
  NOT (a.attnotnull OR t.typnotnull) AS nullable, (a.attgenerated <> '' OR a.attidentity = 'a') AS generated
FROM pg_catalog.pg_attribute a
JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
JOIN pg_catalog.pg_type b ON b.oid = CASE WHEN t.typtype = 'd' THEN t.typbasetype ELSE t.oid END
WHERE a.attrelid IN ({oids}) AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attrelid, a.attnum
""")

_KEYS = sql.SQL("""
SELECT i.indrelid::int8 AS oid, i.indisprimary AS is_primary,
  (SELECT array_agg(a.attname::text ORDER BY k.place) FROM unnest(i.indkey::int2[]) WITH ORDINALITY k(attnum, place)
   JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum
   WHERE k.place <= i.indnkeyatts) AS columns
FROM pg_catalog.pg_index i
WHERE i.indrelid IN ({oids}) AND i.indisunique AND i.indisvalid AND i.indimmediate
  AND i.indpred IS NULL AND i.indexprs IS NULL ORDER BY i.indexrelid
""")


def tables(session: Session, schema: str) -> list[Table]:
    """Return the tables and views of a schema that the user may read, without our own and without partitions."""
    which = sql.SQL("NOT c.relispartition AND c.relname <> {} AND has_any_column_privilege(c.oid, 'SELECT')")
    return _load(session, schema, which.format(CHECKPOINT_TABLE))


def table(session: Session, schema: str, name: str) -> Table | None:
    """Return the table or view with exactly this name, or None."""
    found = _load(session, schema, sql.SQL("c.relname = {}").format(name))
    return found[0] if found else None


def _load(session: Session, schema: str, which: sql.Composable) -> list[Table]:
    rows = session.rows(_TABLES.format(schema=schema, which=which))
    if not rows:
        return []
    oids = sql.SQL(", ").join([sql.Literal(row["oid"]) for row in rows])
    columns = session.rows(_COLUMNS.format(oids=oids))
    keys = session.rows(_KEYS.format(oids=oids))
    return [_table(schema, row, columns, keys) for row in rows]


def _table(schema: str, row: Mapping[str, Any], columns: list[dict[str, Any]], keys: list[dict[str, Any]]) -> Table:
    oid = row["oid"]
    mine = [key for key in keys if key["oid"] == oid and key["columns"]]
    return Table(
        oid=oid,
        schema=schema,
        name=row["name"],
        kind=row["kind"],
        estimated_rows=int(row["rows"]) if row["kind"] in "rmp" and row["rows"] >= 0 else None,
        columns=tuple(_column(each) for each in columns if each["oid"] == oid),
        primary_key=next((tuple(key["columns"]) for key in mine if key["is_primary"]), ()),
        unique_keys=tuple(frozenset(key["columns"]) for key in mine),
    )


def _column(row: Mapping[str, Any]) -> Column:
    return Column(**{name: value for name, value in row.items() if name != "oid"})
