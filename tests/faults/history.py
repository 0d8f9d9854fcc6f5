"""Who changed a run, as PostgreSQL itself saw it: a trigger writes down each change with the name of its session.

The product's code is not asked, so a missing fence shows, even where nothing is lost or doubled by it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg
from psycopg.rows import class_row

_TRIGGER = """
CREATE TABLE fault_history (
  id bigserial PRIMARY KEY, at timestamptz NOT NULL, run uuid NOT NULL, actor text NOT NULL,
  old_state text, state text NOT NULL, old_lease timestamptz, lease timestamptz, old_claims int, claims int NOT NULL,
  old_fence bigint, fence bigint NOT NULL, worked boolean NOT NULL);
CREATE FUNCTION fault_note() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'INSERT' THEN
    INSERT INTO fault_history (at, run, actor, state, lease, claims, fence, worked)
    VALUES (clock_timestamp(), NEW.id, current_setting('application_name'),
            NEW.state, NEW.lease_until, NEW.claims, NEW.fence, false);
  ELSE
    INSERT INTO fault_history (at, run, actor, old_state, state, old_lease, lease, old_claims, claims, old_fence, fence,
                               worked)
    VALUES (clock_timestamp(), NEW.id, current_setting('application_name'), OLD.state, NEW.state, OLD.lease_until,
            NEW.lease_until, OLD.claims, NEW.claims, OLD.fence, NEW.fence,
            (OLD.state, OLD.cursor::text, OLD.batches, OLD.read, OLD.attempt) IS DISTINCT FROM
            (NEW.state, NEW.cursor::text, NEW.batches, NEW.read, NEW.attempt));
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER fault_note AFTER INSERT OR UPDATE ON integrations_run FOR EACH ROW EXECUTE FUNCTION fault_note();
"""


@dataclass(frozen=True)
class Change:
    """One change of a run's row by a session, and what was before. `worked` says that more than the lease changed."""

    run: Any
    at: datetime
    actor: str
    old_state: str | None
    state: str
    old_lease: datetime | None
    lease: datetime | None
    old_claims: int | None
    claims: int
    old_fence: int | None
    fence: int
    worked: bool

    def __str__(self) -> str:
        return f"{self.at:%H:%M:%S.%f} {self.actor}: {self.old_state} -> {self.state}, fence {self.fence}"


def watch(url: str) -> None:
    """Begin to write the changes of runs down."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(_TRIGGER)


def changes(url: str) -> list[Change]:
    """All changes, in the order in which each run's row had them."""
    columns = ", ".join(Change.__dataclass_fields__)
    with psycopg.connect(url) as connection, connection.cursor(row_factory=class_row(Change)) as cursor:
        return cursor.execute(f"SELECT {columns} FROM fault_history ORDER BY run, id".encode()).fetchall()


def foreign(history: Iterable[Change]) -> list[str]:
    """The changes that were not made by whoever held the run then, and claims of a run that was held."""
    owner: dict[Any, str] = {}
    found = []
    for change in history:
        if change.claims != (change.old_claims or 0):
            if change.old_state == "running" and change.old_lease is not None and change.old_lease >= change.at:
                found.append(f"claimed while held by {owner.get(change.run)!r}: {change}")
            owner[change.run] = change.actor
        elif change.old_fence not in (None, change.fence):
            if change.state == "running" and owner.get(change.run) != change.actor:
                found.append(f"took another fence than its claim's: {change}")
        elif (change.worked or change.lease != change.old_lease) and not _is_allowed(change, owner.get(change.run)):
            found.append(f"changed by another than {owner.get(change.run)!r}: {change}")
        if change.state != "running":
            owner.pop(change.run, None)
    return found


def _is_allowed(change: Change, owner: str | None) -> bool:
    if change.actor == owner:
        return True
    if not change.worked and change.lease is not None and change.lease <= change.at:
        return True  # a worker's parent has seen it die, and ends its lease
    is_free = change.old_state != "running" or change.old_lease is None or change.old_lease < change.at
    return is_free and change.state in {"cancelled", "paused", "queued"}
