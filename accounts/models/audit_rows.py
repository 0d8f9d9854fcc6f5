"""Reads the audit log as it is signed: columns as text, straight from the database, a page at a time."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, cast
from uuid import UUID

from django.db import OperationalError, connection

from accounts.domain.audit_chain import Columns, plain_ip
from accounts.domain.audit_check import Head
from accounts.models.audit import INSTANCE_SCOPE

_AT_ONCE = 5000
_CHUNK = 500
_scan: Callable[[str, int], tuple[object, int]] = json.JSONDecoder().scan_once  # type: ignore[attr-defined]  # no stub
_POSTGRESQL = """
    encode(uuid_send(id), 'hex'), encode(uuid_send(workspace_id), 'hex'), seq,
    to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US'), encode(uuid_send(actor_id), 'hex'), actor_label,
    encode(uuid_send(token_id), 'hex'), nullif(format('%%s', ip), ''), action, object_type, object_id, object_label,
    before::text, after::text, request_id, key_id, prev, mac"""
# Microseconds that are zero are not written there.
_SQLITE = """
    id, workspace_id, seq, CASE WHEN length(at) = 19 THEN at || '.000000' ELSE at END, actor_id, actor_label,
    token_id, ip, action, object_type, object_id, object_label, before, after, request_id, key_id, prev, mac"""


class Row(NamedTuple):
    """One stored entry."""

    columns: Columns
    prev: str
    mac: str


class UnreadableError(ValueError):
    """A row holds what the product cannot have written."""

    def __init__(self, seq: int) -> None:
        super().__init__(f"entry {seq} cannot be read")
        self.seq = seq


def rows_after(scope: UUID, seq: int) -> Iterator[Row]:
    """A scope's entries above a number, in order; each page is a statement of its own. Raises UnreadableError."""
    before = seq - 1
    while before < seq:
        before = seq
        for row in _page(scope, seq):
            yield _row(row)
            seq = row[2]


def head_of(scope: UUID) -> Head:
    """The counter and the table, as of one moment."""
    where, values = _in_scope(scope)
    found = _ask(
        f"""SELECT coalesce((SELECT last FROM accounts_auditcounter WHERE scope = %s), 0),
        coalesce((SELECT mac FROM accounts_auditcounter WHERE scope = %s), ''),
        coalesce(max(seq), 0), count(*) FROM accounts_auditentry WHERE {where}""",  # noqa: S608 - words of our own
        [_key(scope), _key(scope), *values],
    )
    return Head(*found[0])


def scopes() -> set[UUID]:
    """Every scope that has a counter or an entry."""
    question = "SELECT scope FROM accounts_auditcounter UNION SELECT DISTINCT workspace_id FROM accounts_auditentry"
    found = {scope for (scope,) in _ask(question, [])}
    return {INSTANCE_SCOPE if scope is None else UUID(str(scope)) for scope in found}


# Eighteen columns, see Row.
def _page(scope: UUID, seq: int) -> Iterator[tuple[Any, ...]]:
    where, values = _in_scope(scope)
    columns = _POSTGRESQL if connection.vendor == "postgresql" else _SQLITE
    question = f"SELECT {columns} FROM accounts_auditentry WHERE {where} AND seq > %s ORDER BY seq, id LIMIT {_AT_ONCE}"  # noqa: S608 - as above
    if connection.vendor == "postgresql":
        yield from _streamed(question, [*values, seq])
        return
    try:
        yield from _ask(question, [*values, seq])
    except OperationalError as error:
        if "decode" in str(error):  # SQLite keeps bytes that are no text where a superuser puts them
            raise UnreadableError(seq + 1) from error
        raise


def _streamed(question: str, values: list[Any]) -> Iterator[tuple[Any, ...]]:
    """The server goes on while these rows are looked at."""
    with connection.wrap_database_errors, connection.cursor() as cursor:
        yield from cursor.cursor.stream(question, values, size=_CHUNK)


def _row(row: tuple[Any, ...]) -> Row:
    ip, before, after = row[7], row[12], row[13]
    try:
        columns = Columns._make(
            (*row[:7], plain_ip(ip) if ip else ip, *row[8:12], _object(before), _object(after), *row[14:16])
        )
    except (StopIteration, ValueError) as error:
        raise UnreadableError(row[2]) from error
    return Row(columns, row[16], row[17])


def _object(text: str | None) -> dict[str, object] | None:
    """Stored JSON as the databases keep it, without a space before or behind: a third faster than `json.loads`."""
    if text is None:
        return None
    value, end = _scan(text, 0)
    if end != len(text):
        raise ValueError("there is something behind the JSON")
    return cast("dict[str, object]", value)


def _in_scope(scope: UUID) -> tuple[str, list[Any]]:
    return ("workspace_id IS NULL", []) if scope == INSTANCE_SCOPE else ("workspace_id = %s", [_key(scope)])


def _key(scope: UUID) -> UUID | str:
    return scope if connection.vendor == "postgresql" else scope.hex


def _ask(question: str, values: list[Any]) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(question, values)
        return list(cursor.fetchall())
