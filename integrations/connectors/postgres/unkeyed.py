"""Reads a table that has no key.

A plain table is read in the order of its row addresses (`ctid`), some blocks at a time. Going on after an address is
exact as long as no row has moved, so the cursor also holds the number of the table's file (a rewrite gives a new one)
and its count of updates (an update moves a row), and a resume after either has changed is refused. Rows that are only
added do no harm. The count comes from PostgreSQL's statistics, which can be some seconds behind: who needs more gives
the table a key. A view, or another kind of table, can be read whole and not continued: its cursor says so, and is
refused.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import Any

from psycopg import sql

from integrations.connectors.base import Batch, Cursor, ReadRequest
from integrations.connectors.postgres import types
from integrations.connectors.postgres.catalogue import Table
from integrations.connectors.postgres.selection import Progress, Select
from integrations.connectors.postgres.session import Session
from integrations.connectors.sql import cursor_invalid, no_key

_STATE = sql.SQL("""
SELECT pg_relation_filenode({oid}::oid)::int8 AS file, pg_stat_get_tuples_updated({oid}::oid)::int8 AS updates,
  (pg_relation_size({oid}::oid) / current_setting('block_size')::int8)::int8 AS blocks,
  current_setting('block_size')::int8 AS block_bytes, current_setting('server_version_num')::int8 AS version
""")
# Since this version a range of addresses is read without passing over the whole table.
_RANGE_SCANS = 140_000


def batches(session: Session, table: Table, request: ReadRequest) -> Iterator[Batch]:
    """Yield the batches after the request's cursor, within the caller's transaction."""
    if table.kind in "rm":
        return _by_address(session, table, request)
    return _unordered(session, table, request)


def _unordered(session: Session, table: Table, request: ReadRequest) -> Iterator[Batch]:
    if request.cursor is not None:
        if set(request.cursor) != {"unordered"}:
            raise cursor_invalid("it was made for another stream")
        raise no_key(table.name, "it has no key and no row addresses")
    select = Select(session, table, request)
    progress = Progress(table.estimated_rows)
    with closing(select.pieces(select.statement(sql.SQL("true")))) as pieces:
        for number, piece in enumerate(pieces, start=1):
            yield select.batch(piece, {"unordered": number}, progress)


def _by_address(session: Session, table: Table, request: ReadRequest) -> Iterator[Batch]:
    state = session.rows(_STATE.format(oid=table.oid))[0]
    select = Select(session, table, request, hidden=(sql.SQL("ctid::text"),))
    address = _start(request.cursor, state)
    total = table.estimated_rows
    block = int(address[1:].split(",")[0])
    progress = Progress(total, round((total or 0) * block / max(1, state["blocks"])))
    step = max(1, request.batch_bytes // state["block_bytes"])
    if state["version"] < _RANGE_SCANS:
        step = max(1, state["blocks"])
    for first in range(block, state["blocks"], step):
        with closing(select.pieces(_range(select, address, first + step))) as pieces:
            for piece in pieces:
                address = types.value_text(piece.column(len(select.fields)), piece.num_rows - 1) or address
                yield select.batch(piece, _cursor(address, state), progress)


def _range(select: Select, after: str, end_block: int) -> sql.Composable:
    condition = sql.SQL("ctid > {}::tid AND ctid < {}::tid").format(after, f"({end_block},0)")
    return select.statement(condition, sql.SQL("ctid"))


def _cursor(address: str, state: dict[str, Any]) -> Cursor:
    return {"address": address, "file": state["file"], "updates": state["updates"]}


def _start(cursor: Cursor | None, state: dict[str, Any]) -> str:
    if cursor is None:
        return "(0,0)"
    if set(cursor) != {"address", "file", "updates"}:
        raise cursor_invalid("it was made for a table with a key")
    if (cursor["file"], cursor["updates"]) != (state["file"], state["updates"]):
        raise cursor_invalid("the table has no key, and its rows were moved or updated since")
    return str(cursor["address"])
