"""Reads the event log in commit order, so that a reader who remembers one cursor misses nothing.

On PostgreSQL ids are drawn before they commit, so "id greater than the last" skips rows. Each event carries its
transaction's id, and a read goes only up to `pg_snapshot_xmin`, below which every transaction has ended. SQLite has one
writer: there ids commit in order, and `tx` is 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

import msgspec
from django.db import connection
from django.db.models import Q, QuerySet

from integrations.models import Event

READ_AT_MOST = 500


@dataclass(frozen=True, order=True)
class Cursor:
    """A place in the log: everything up to it, in commit order, has been seen."""

    tx: int = 0
    id: int = 0

    def __str__(self) -> str:
        return f"{self.tx}.{self.id}"

    @classmethod
    def parse(cls, text: str) -> Cursor | None:
        """The cursor that a client sent, or None where it is none."""
        tx, dot, number = text.partition(".")
        if not (dot and tx.isdecimal() and number.isdecimal() and text.isascii() and len(text) <= 40):
            return None
        return cls(int(tx), int(number))


@dataclass(frozen=True)
class StreamEvent:
    """An event on its way to browsers; `payload` is encoded once for all, `outline` is what strangers may see."""

    cursor: Cursor
    workspace_id: UUID
    payload: bytes
    outline: bytes


def read_after(cursor: Cursor, workspace_id: UUID | None = None, limit: int = READ_AT_MOST) -> list[StreamEvent]:
    """The next events after a cursor, of one workspace or of all, oldest first."""
    events = _settled().filter(Q(tx__gt=cursor.tx) | Q(tx=cursor.tx, id__gt=cursor.id))
    if workspace_id is not None:
        events = events.filter(workspace_id=workspace_id)
    return [_to_stream(event) for event in events.order_by("tx", "id")[:limit]]


def newest() -> Cursor:
    """Where the log ends now. Take it before the page's data is read, and the page misses nothing."""
    last = _settled().order_by("-tx", "-id").values_list("tx", "id").first()
    return Cursor(*last) if last else Cursor()


def frame(cursor: Cursor, payloads: Sequence[bytes]) -> bytes:
    """The message that a browser gets: {"cursor": "...", "events": [...]}."""
    return b'{"cursor":"%s","events":[%s]}' % (str(cursor).encode(), b",".join(payloads))


def _settled() -> QuerySet[Event]:
    """Events of transactions below which none is still open."""
    if connection.vendor != "postgresql":
        return Event.objects.all()
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint")
        horizon = cursor.fetchone()[0]
    return Event.objects.filter(tx__lt=horizon)


def _to_stream(event: Event) -> StreamEvent:
    payload = {
        "id": event.pk,
        "topic": event.topic,
        "object": event.object_id,
        "run": event.run_id,
        "seq": event.seq,
        "kind": event.kind,
        "data": event.data,
    }
    return StreamEvent(
        Cursor(event.tx, event.pk),
        event.workspace_id,
        msgspec.json.encode(payload),
        msgspec.json.encode({"id": event.pk, "topic": event.topic}),
    )
