"""Moves a staged batch into its table: plainly while the table has none of its keys, with ON CONFLICT where it has.

An INSERT with ON CONFLICT inserts each row on trial and took two and a half times as long as a plain one. A plain one
that succeeds has done the same: none of its keys was there. One that meets a key is undone to a savepoint, and the
batch goes by ON CONFLICT; so do the next ones, because a table that has one key of a stream mostly has the others.
"""

from __future__ import annotations

from dataclasses import dataclass

from psycopg import sql

from integrations.connectors.postgres.session import Session
from integrations.errors import RecordsRefused

# So many batches go by ON CONFLICT before a plain INSERT is tried again.
CAREFUL_BATCHES = 15
_UNIQUE_VIOLATION = "23505"
_SAVEPOINT = sql.SQL("SAVEPOINT signalbox_insert")
_UNDO = sql.SQL("ROLLBACK TO SAVEPOINT signalbox_insert")


@dataclass(frozen=True)
class Insert:
    """One staged batch's INSERT. `plain` does the same where the table has none of the keys; None where it may not."""

    statement: sql.Composable
    plain: sql.Composable | None = None


class Inserter:
    """Remembers for a writer whether keys were met lately. One thread uses it."""

    def __init__(self) -> None:
        self._careful = 0

    def insert(self, session: Session, insert: Insert) -> None:
        """Run the batch's INSERT within the open transaction. Raises as `Session.run` does."""
        if insert.plain is None or self._careful:
            self._careful = max(0, self._careful - 1)
            session.run(insert.statement)
            return
        session.run(_SAVEPOINT)
        try:
            session.run(insert.plain)
        except RecordsRefused as error:
            if error.detail.get("sqlstate") != _UNIQUE_VIOLATION:
                raise
            session.run(_UNDO)
            self._careful = CAREFUL_BATCHES
            session.run(insert.statement)
