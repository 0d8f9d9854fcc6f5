"""Which due run a worker takes next, and whom to wake: a hint says only that there is work."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from functools import cache
from typing import Any
from uuid import UUID

from django.db import connection, transaction
from django.db.models import Count, F, OuterRef, Q, QuerySet, Subquery, UUIDField
from django.db.models.functions import Coalesce, Now

from accounts.models import Workspace
from integrations.domain.lifecycle import RunState
from integrations.hints import hint
from integrations.models import Run
from integrations.services.claims import DUE, Claim, claim_run, hand_back_survivors
from integrations.services.concurrency import Rooms, rooms_now, tell_waiting
from integrations.services.partitions import sweep

HINT_AGAIN = timedelta(seconds=10)
# A tick's hints for runs that became due, and for those that nobody took after the last hint: one hint wakes a worker,
# which goes on until nothing is due, and a thousand that wait for busy workers need no thousand messages.
RECONCILE_AT_MOST = 200
HINT_AGAIN_AT_MOST = 20


def claim_next(*, worker: str) -> Claim | None:
    """Take the due run whose turn it is; None where nothing is due.

    First comes the workspace with the fewest running runs, of those the one that was served longest ago, then the one
    whose run is due longest; within a workspace the run that is due longest.
    """
    hand_back_survivors()
    rooms = rooms_now()
    tell_waiting(DUE, rooms)
    for workspace_id in _workspaces_in_turn(rooms) if rooms.is_full else _workspaces_with_room():
        claim = _claim_oldest(workspace_id, worker, rooms)
        if claim is not None:
            return claim
    return None


def hint_what_is_left() -> None:
    """Hint one due run, if there is one: whoever takes the message finds the rest."""
    run_id = _due(rooms_now()).order_by("next_attempt_at").values_list("id", flat=True).first()
    if run_id is not None:
        hint(run_id)


def _due(rooms: Rooms) -> QuerySet[Run]:
    """What a worker may take now; nothing is joined where nothing is full."""
    due = Run.objects.filter(DUE)
    return due.exclude(rooms.blocked) if rooms.is_full else due


def _workspaces_with_room() -> Iterator[UUID]:
    """The same where nothing is full: always one statement, which is written once. Every claim asks it."""
    with connection.cursor() as cursor:
        cursor.execute(*_statement(connection.vendor))
        found = [UUIDField().to_python(pk) for (pk,) in cursor.fetchall()]
    yield from found


@cache
def _statement(_vendor: str) -> tuple[str, tuple[Any, ...]]:
    """The statement in the words of the database in use, and its values."""
    sql, values = _workspaces_in_turn(Rooms(is_bounded=False)).query.sql_with_params()
    return sql, values


def _workspaces_in_turn(rooms: Rooms) -> QuerySet[Workspace, UUID]:
    mine = Run.objects.filter(workspace=OuterRef("pk"))
    due = _due(rooms).filter(workspace=OuterRef("pk"))
    running = mine.filter(state=RunState.RUNNING, lease_until__gte=Now()).order_by().values("workspace")
    waiting = Workspace.objects.annotate(
        oldest_queued=_oldest(due.filter(state=RunState.QUEUED)),
        oldest_left=_oldest(due.filter(state=RunState.RUNNING)),
        running=Coalesce(Subquery(running.annotate(count=Count("pk")).values("count")), 0),
        served_at=Subquery(mine.filter(claimed_at__isnull=False).order_by("-claimed_at").values("claimed_at")[:1]),
    ).filter(Q(oldest_queued__isnull=False) | Q(oldest_left__isnull=False))
    turns = waiting.order_by(
        "running", F("served_at").asc(nulls_first=True), Coalesce("oldest_left", "oldest_queued"), "pk"
    )
    return turns.values_list("pk", flat=True)


def _oldest(runs: QuerySet[Run]) -> Subquery:
    return Subquery(runs.order_by("next_attempt_at").values("next_attempt_at")[:1])


def _claim_oldest(workspace_id: UUID, worker: str, rooms: Rooms) -> Claim | None:
    """Take the run of a workspace that is due longest. Workers that ask at the same time pass over each other's."""
    with transaction.atomic():
        due = _due(rooms).filter(workspace_id=workspace_id).only("id", "next_attempt_at")
        # Two questions, so that each is answered by the first entry of an index.
        heads = [
            due.filter(state=state)
            .order_by("next_attempt_at")
            .select_for_update(skip_locked=True, no_key=True, of=("self",))
            .first()
            for state in (RunState.QUEUED, RunState.RUNNING)
        ]
        found = sorted((run for run in heads if run), key=lambda run: run.next_attempt_at)
        return claim_run(run_id=found[0].pk, worker=worker, bounded=rooms.is_bounded) if found else None


def reconcile() -> int:
    """Hint the runs that became due, and again those that nobody took; return how many. Any number may do this."""
    sweep()
    became_due = Q(hinted_at=None) | Q(state=RunState.QUEUED, hinted_at__lt=F("next_attempt_at"))
    was_left = Q(state=RunState.RUNNING, hinted_at__lt=F("lease_until"))
    forgotten = Q(hinted_at__lt=Now() - HINT_AGAIN)
    rooms = rooms_now()
    tell_waiting(DUE, rooms)
    due = _due(rooms)
    return _hint(due.filter(became_due | was_left), RECONCILE_AT_MOST) + _hint(
        due.filter(forgotten), HINT_AGAIN_AT_MOST
    )


def _hint(runs: QuerySet[Run], at_most: int) -> int:
    due = runs.order_by("next_attempt_at").values_list("id", flat=True)
    hinted = 0
    for run_id in list(due[:at_most]):
        if not hint(run_id):
            # The broker is away: the rows still say what is due, and each further try would wait for it.
            break
        Run.objects.filter(pk=run_id).update(hinted_at=Now())
        hinted += 1
    return hinted
