"""Writes batches into a table, each in one transaction with its checkpoint.

A batch goes by binary COPY into a temporary table of its own types, then by one INSERT, with casts, into the target:
COPY itself takes no other types than the column's. The checkpoint row is locked only after the copy, so that a worker
that is paused while it sends keeps nobody waiting; and a worker paused later is ended by the server's idle limit. When
the connection is lost at the commit, its outcome is not known here: the next writer's `checkpoint()` says it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pyarrow as pa
from psycopg import sql

from accounts.errors import SignalboxError
from integrations.connectors.base import Commit, StoredCheckpoint, TransactionalWriter, WriteMode, WriteRequest
from integrations.connectors.postgres.inserting import Insert, Inserter
from integrations.connectors.postgres.lanes import Lanes
from integrations.connectors.postgres.session import Session
from integrations.connectors.postgres.target import Target
from integrations.connectors.sql import CHECKPOINT_TABLE, lease_lost, plain_batch, refuse_null_keys

STAGE = "signalbox_stage"
ORDINAL = "signalbox_ordinal"

_CLAIM = sql.SQL("""
INSERT INTO {table} AS c (owner, stream, run, batch_number, cursor, fence, updated_at)
VALUES ({owner}, {stream}, '', 0, 'null', {fence}, clock_timestamp())
ON CONFLICT (owner, stream) DO UPDATE SET fence = EXCLUDED.fence, updated_at = EXCLUDED.updated_at
WHERE c.fence <= EXCLUDED.fence RETURNING run, batch_number, cursor::text AS cursor, fence
""")
_COMMIT = sql.SQL("""
UPDATE {table} SET run = {run}, batch_number = {batch_number}, cursor = {cursor}, fence = {fence},
  updated_at = clock_timestamp() WHERE owner = {owner} AND stream = {stream} AND fence <= {fence} RETURNING fence
""")


class PostgresWriter(TransactionalWriter):
    """An open target table. Its fence is registered when it opens."""

    def __init__(
        self, session: Session, request: WriteRequest, target: Target, open_session: Callable[[], Session]
    ) -> None:
        self._session, self._request, self._target = session, request, target
        self._checkpoints = sql.Identifier(target.table.schema, CHECKPOINT_TABLE)
        self._claim()
        session.run(target.stage_statement(STAGE, ORDINAL))
        self._lanes = Lanes(open_session, STAGE, target.stage_statement(STAGE, ORDINAL, keeps=True))
        self._insert = {repeats: target.insert(STAGE, ORDINAL, request, repeats=repeats) for repeats in (False, True)}
        self._inserter = Inserter()

    def checkpoint(self) -> StoredCheckpoint | None:
        """Return what is stored for this owner, and keep writers of lower fences out from now on."""
        return self._claim()

    def stage(self, records: pa.RecordBatch) -> None:
        """Copy the records ahead of their `write`, by a session of their own."""
        try:
            staged, insert = self._staged(records)
        except SignalboxError:
            return  # `write` meets it again, and says it
        self._lanes.send(records, staged, insert)

    def write(self, records: pa.RecordBatch, commit: Commit) -> None:
        """Store the records and the commit in one transaction."""
        with self._lanes.take(records) as ahead:
            if ahead is None:
                self._write_now(records, commit)
                return
            with ahead.session.transaction():
                self._store_commit(ahead.session, commit)
                self._inserter.insert(ahead.session, ahead.insert)

    def _write_now(self, records: pa.RecordBatch, commit: Commit) -> None:
        staged, insert = self._staged(records)
        with self._session.transaction():
            self._session.load(STAGE, staged)
            self._store_commit(self._session, commit)
            self._inserter.insert(self._session, insert)

    def probe(self, records: pa.RecordBatch) -> None:
        """Do what `write` does with the records, and roll it back."""
        staged, insert = self._staged(records)
        with self._rolled_back():
            self._session.load(STAGE, staged)
            self._session.run(insert.statement)
            # Constraints that wait for the commit are checked now.
            self._session.run(sql.SQL("SET CONSTRAINTS ALL IMMEDIATE"))

    def finish(self, commit: Commit) -> None:
        """Store the last commit; the records are visible already."""
        with self._session.transaction():
            self._store_commit(self._session, commit)

    def abort(self) -> None:
        """Give up what is not committed."""
        self._session.roll_back()

    def close(self) -> None:
        """Close the sessions that sent batches ahead."""
        self._lanes.close()

    def _staged(self, records: pa.RecordBatch) -> tuple[pa.RecordBatch, Insert]:
        """Return the records as they are copied, and the statement that takes them from there."""
        request = self._request
        plain = plain_batch(records, request.schema)
        if request.mode is WriteMode.APPEND:
            return plain, self._insert[False]
        refuse_null_keys(plain, request.key)
        if not self._target.can_repeat(plain, request.key):
            return plain, self._insert[False]
        return plain.append_column(ORDINAL, pa.array(range(plain.num_rows), pa.int32())), self._insert[True]

    def _claim(self) -> StoredCheckpoint | None:
        request = self._request
        statement = _CLAIM.format(
            table=self._checkpoints, owner=request.owner, stream=request.stream, fence=request.fence
        )
        rows = self._session.rows(statement)
        if not rows:
            raise lease_lost(request.fence)
        row = rows[0]
        if not row["run"]:
            return None
        return StoredCheckpoint(row["run"], row["batch_number"], json.loads(row["cursor"]), row["fence"])

    def _store_commit(self, session: Session, commit: Commit) -> None:
        request = self._request
        statement = _COMMIT.format(
            table=self._checkpoints,
            owner=request.owner,
            stream=request.stream,
            run=commit.run,
            batch_number=commit.batch_number,
            cursor=json.dumps(commit.cursor),
            fence=request.fence,
        )
        if not session.rows(statement):
            raise lease_lost(request.fence)

    @contextmanager
    def _rolled_back(self) -> Iterator[None]:
        self._session.run(sql.SQL("BEGIN"))
        try:
            yield
        finally:
            self._session.roll_back()
