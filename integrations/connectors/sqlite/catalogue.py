"""What a SQLite file says of its tables and views: columns, keys, rows. Names are matched exactly, then quoted."""

from __future__ import annotations

from dataclasses import dataclass

from integrations.connectors.sql import CHECKPOINT_TABLE
from integrations.connectors.sqlite.database import Database

ROW_IDS = ("rowid", "_rowid_", "oid")


@dataclass(frozen=True)
class Column:
    """A column; `declared` is whatever the CREATE TABLE says, which SQLite does not enforce."""

    name: str
    declared: str
    nullable: bool
    generated: bool


@dataclass(frozen=True)
class Table:
    """A table or view; `row_id` is a name under which its row numbers can be read, or ""."""

    name: str
    columns: tuple[Column, ...]
    primary_key: tuple[str, ...]
    unique_keys: tuple[frozenset[str], ...]
    row_id: str
    is_view: bool

    @property
    def by_name(self) -> dict[str, Column]:
        """The columns by their names."""
        return {column.name: column for column in self.columns}


def quoted(name: str) -> str:
    """Return a name as a quoted identifier."""
    return '"' + name.replace('"', '""') + '"'


def tables(database: Database) -> list[Table]:
    """Return all tables and views but SQLite's and ours."""
    found = database.rows(
        "SELECT name FROM pragma_table_list WHERE schema = 'main' AND type IN ('table', 'view') ORDER BY name"
    )
    names = [name for (name,) in found if not name.startswith("sqlite_") and name != CHECKPOINT_TABLE]
    return [each for each in (table(database, name) for name in names) if each is not None]


def table(database: Database, name: str) -> Table | None:
    """Return the table or view with exactly this name, or None."""
    found = database.rows(
        "SELECT name, type, wr FROM pragma_table_list WHERE schema = 'main' AND type IN ('table', 'view')"
        " AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'"
    )
    row = next((row for row in found if row[0] == name), None)
    if row is None:
        return None
    information = database.rows(
        'SELECT name, type, "notnull", pk, hidden FROM pragma_table_xinfo(?) WHERE hidden <> 1', (name,)
    )
    key = tuple(each[0] for each in sorted((each for each in information if each[3]), key=lambda each: each[3]))
    columns = tuple(_column(each, key, has_row_id=not row[2]) for each in information)
    uniques = _unique_keys(database, name) | ({frozenset(key)} if key else set())
    taken = {column.name.lower() for column in columns}
    row_id = next((each for each in ROW_IDS if each not in taken), "") if row[1] == "table" and not row[2] else ""
    return Table(name, columns, key, tuple(uniques), row_id, is_view=row[1] == "view")


def _column(row: tuple[str, str, int, int, int], key: tuple[str, ...], *, has_row_id: bool) -> Column:
    name, declared, not_null, _, hidden = row
    # A lone INTEGER PRIMARY KEY is the row number itself; in a table without row numbers no key is ever NULL.
    is_row_id = key == (name,) and declared.upper() == "INTEGER"
    solid = bool(not_null) or (name in key and (is_row_id or not has_row_id))
    return Column(name, declared, nullable=not solid, generated=hidden in (2, 3))


def _unique_keys(database: Database, name: str) -> set[frozenset[str]]:
    indexes = database.rows('SELECT name FROM pragma_index_list(?) WHERE "unique" AND NOT partial', (name,))
    keys = [database.rows("SELECT name FROM pragma_index_info(?)", index) for index in indexes]
    # A part without a name is an expression.
    return {frozenset(part for (part,) in key) for key in keys if all(part is not None for (part,) in key)}
