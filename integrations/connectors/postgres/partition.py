"""Cuts a table into ranges of its key that hold about the same number of rows, whatever the key's values are like.

The bounds come from a sample of the table's blocks, so they cost the same for a large table as for a small one, and
follow the rows: a skewed key, a text key or one of several columns is cut as well as a sequence of numbers.
"""

from __future__ import annotations

from contextlib import closing

import pyarrow as pa
from psycopg import sql

from integrations.connectors.base import Cut, Partition
from integrations.connectors.postgres import types
from integrations.connectors.postgres.keyed import KeyedReader, listed
from integrations.connectors.postgres.session import Session
from integrations.connectors.sql import Key
from integrations.connectors.sql_ranges import parts_worth, ranges

# So much of a table is read to learn how its keys lie; a batch of keys at a time.
SAMPLE_BYTES = 8 * 1024 * 1024
BATCH_BYTES = 1024 * 1024
# Only what has blocks of its own can be sampled: tables, materialised views, partitioned tables.
CAN_BE_SAMPLED = "rmp"

_SIZE = sql.SQL("""
SELECT CASE WHEN {kind} = 'p'
  THEN (SELECT coalesce(sum(pg_relation_size(relid)), 0)::int8 FROM pg_partition_tree({oid}::oid::regclass))
  ELSE pg_relation_size({oid}::oid) END AS bytes
""")


def partitions(session: Session, reader: KeyedReader, cut: Cut) -> list[Partition]:
    """The ranges of a table, or none where it is small, cannot be sampled, or has keys that may be NULL."""
    table = reader.table
    if table.kind not in CAN_BE_SAMPLED or any(table.by_name[name].nullable for name in reader.order.key):
        return []
    size = int(session.rows(_SIZE.format(oid=table.oid, kind=table.kind))[0]["bytes"])
    count = parts_worth(reader.request, size, cut)
    return ranges(reader.order, _bounds(session, reader, size, count), {}) if count > 1 else []


def _bounds(session: Session, reader: KeyedReader, size: int, count: int) -> list[Key]:
    """The keys below which each next part of the sampled rows lies."""
    names = [sql.SQL("{} AS {}").format(c.value, sql.Identifier(f"k{n}")) for n, c in enumerate(reader.ordering)]
    statement = sql.SQL("SELECT {} FROM {} TABLESAMPLE SYSTEM ({}) REPEATABLE (1) ORDER BY {}").format(
        sql.SQL(", ").join(names),
        reader.table.identifier,
        sql.Literal(min(100.0, 100 * SAMPLE_BYTES / max(1, size))),
        listed(reader.ordering),
    )
    with closing(session.stream(statement, BATCH_BYTES)) as stream:
        sampled = list(stream)
    rows = sum(piece.num_rows for piece in sampled)
    if rows < count:
        return []
    keys = pa.Table.from_batches(sampled).combine_chunks().to_batches()[0]
    return [_key(keys, rows * number // count - 1) for number in range(1, count)]


def _key(keys: pa.RecordBatch, row: int) -> Key:
    return tuple(types.value_text(column, row) or "" for column in keys.columns)
