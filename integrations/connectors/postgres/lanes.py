"""Sends batches ahead of their turn: while one backend inserts a batch, another takes the copy of the next.

One backend's CPU is the limit of a load, and the copy is a third of its work. A lane is a session with a temporary
table of its own; what lies there is nothing yet: the batch, its guard and its checkpoint are stored by `write` alone.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pyarrow as pa
from psycopg import sql

from accounts.errors import SignalboxError
from integrations.connectors.postgres.inserting import Insert
from integrations.connectors.postgres.session import Session
from integrations.errors import RecordsRefused

# One batch is being written, one waits for it, one is on its way.
MOST = 3


@dataclass(frozen=True)
class Ahead:
    """A batch that lies in a lane, and the statement that takes it from there. `records` keeps its identity in use."""

    records: pa.RecordBatch
    session: Session
    insert: Insert


class Lanes:
    """Up to three sessions, opened when they are first needed. `send` is called by one thread, `take` by another."""

    def __init__(self, open_session: Callable[[], Session], stage: str, create: sql.Composable) -> None:
        self._open_session, self._stage, self._create = open_session, stage, create
        self._lock = threading.Lock()
        self._open: list[Session] = []
        self._free: list[Session] = []
        self._ahead: dict[int, Ahead] = {}

    def send(self, records: pa.RecordBatch, staged: pa.RecordBatch, insert: Insert) -> None:
        """Copy a batch into a free lane. Where that fails nothing is said: its `write` does it all, and says why."""
        try:
            session = self._free_session()
            if session is None:
                return
            with session.transaction():
                # What is copied here means nothing until it is written: no need to wait for the disk.
                session.run(sql.SQL("SET LOCAL synchronous_commit = off"))
                session.run(sql.SQL("TRUNCATE pg_temp.{}").format(sql.Identifier(self._stage)))
                session.load(self._stage, staged)
        except SignalboxError:
            return
        with self._lock:
            self._ahead[id(records)] = Ahead(records, session, insert)

    @contextmanager
    def take(self, records: pa.RecordBatch) -> Iterator[Ahead | None]:
        """Yield the lane in which a batch lies, or None; the lane is free again after the block, unless it broke."""
        with self._lock:
            ahead = self._ahead.pop(id(records), None)
        try:
            yield ahead
        except RecordsRefused:
            self._give_back(ahead)
            raise
        self._give_back(ahead)

    def close(self) -> None:
        """Close every session."""
        for session in self._open:
            session.close()

    def _give_back(self, ahead: Ahead | None) -> None:
        if ahead is not None:
            with self._lock:
                self._free.append(ahead.session)

    def _free_session(self) -> Session | None:
        with self._lock:
            if self._free:
                return self._free.pop()
        if len(self._open) == MOST:
            return None
        session = self._open_session()
        self._open.append(session)
        session.run(self._create)
        return session
