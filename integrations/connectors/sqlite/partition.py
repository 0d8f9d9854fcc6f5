"""Cuts a table into ranges of its key, or of its row numbers, with the same number of rows each.

SQLite has no sample of a table; it steps along the key from bound to bound, which is one pass over an index.
"""

from __future__ import annotations

from collections.abc import Iterator

from integrations.connectors.base import Cut, Partition
from integrations.connectors.sql import Key
from integrations.connectors.sql_ranges import parts_worth, ranges
from integrations.connectors.sqlite import types
from integrations.connectors.sqlite.catalogue import quoted
from integrations.connectors.sqlite.database import Database
from integrations.connectors.sqlite.reader import TableReader, listed

# What a row is taken to hold, where only their number is known.
ROW_BYTES = 100


def partitions(database: Database, reader: TableReader, cut: Cut) -> list[Partition]:
    """The ranges of a table; none of a view, of a small table, or of one without key and row numbers."""
    table = reader.table
    if table.is_view or not reader.order.key:
        return []
    reader.refuse_null_keys()
    rows = int(database.rows(f"SELECT count(*) FROM {quoted(table.name)}")[0][0])  # noqa: S608 - from the catalogue
    count = min(parts_worth(reader.request, rows * ROW_BYTES, cut), rows)
    return ranges(reader.order, list(_bounds(database, reader, rows, count)), reader.guard()) if count > 1 else []


def _bounds(database: Database, reader: TableReader, rows: int, count: int) -> Iterator[Key]:
    """The last key of each part but the last one."""
    order, name = listed(reader.order.key), quoted(reader.table.name)
    above = f"({order}) > ({', '.join('?' * len(reader.order.key))})"
    values: tuple[object, ...] = ()
    for number in range(1, count):
        step = rows * number // count - rows * (number - 1) // count
        condition = above if values else "1"
        query = f"SELECT {order} FROM {name} WHERE {condition} ORDER BY {order} LIMIT 1 OFFSET {step - 1}"  # noqa: S608 - as above
        found = database.rows(query, values)
        if not found:
            return
        values = found[0]
        yield tuple(types.key_text(value) for value in values)
