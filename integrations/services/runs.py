"""What is asked of runs: start, cancel; and the events that tell of them. Workers claim and end them in `claims`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import IntegrityError, connection, transaction
from django.db.models import F, Q, UUIDField
from django.db.models.functions import Now
from django.utils import timezone

from accounts import audit
from accounts.errors import STATE_CONFLICT, Conflict
from accounts.models import User
from integrations import events
from integrations.domain.lifecycle import ACTIVE_STATES, DeadLetterState, Outcome, RunState, Trigger
from integrations.hints import hint
from integrations.models import DeadLetter, Deployment, Run, RunBatch
from integrations.models.integration import ReadMode
from integrations.services.approval_holds import refuse_held
from integrations.services.clock import id_by_database_clock
from integrations.services.maintenance import hold_of

_NEXT_SEQ = "UPDATE integrations_run SET seq = seq + 1 WHERE id = %s RETURNING seq"
_BY_HAND = frozenset({Trigger.MANUAL, Trigger.API, Trigger.RETRY})


@dataclass(frozen=True)
class Begin:
    """Where a run begins to read, and what it reads in place of what is next (`domain.scope`, as plain values)."""

    cursor: dict[str, Any] | None = None
    scope: dict[str, Any] | None = None

    @property
    def columns(self) -> dict[str, Any]:
        """What a run keeps of it; its cursor moves on from there."""
        return {"start_cursor": self.cursor, "cursor": self.cursor, "scope": self.scope}


def start_run(
    *,
    deployment: Deployment,
    trigger: Trigger,
    user: User | None = None,
    due_at: datetime | None = None,
    continues: Run | None = None,
    upstream: Run | None = None,
    begin: Begin | None = None,
) -> Run:
    """Queue a run of the deployment's version and hint a worker. Raises Conflict where one is active already.

    A run begins where `continues` stopped, else at `begin`, else at what is next to read.
    """
    _refuse_switched_off(deployment, trigger)
    refuse_held(deployment)
    begin = _begin_of(deployment, continues, begin)
    try:
        with transaction.atomic():
            run = Run.objects.create(
                id=id_by_database_clock(),
                workspace_id=deployment.workspace_id,
                deployment=deployment,
                version_id=deployment.version_id,
                trigger=trigger,
                requested_by=user,
                due_at=due_at,
                continues=continues,
                upstream=upstream,
                next_attempt_at=Now(),
                epoch=deployment.epoch,
                **begin.columns,
            )
            _refuse_moved(deployment)
            _record_start(run, deployment)
    except IntegrityError as error:
        raise _is_active(deployment) from error
    # The database's clock has set one, the event the other.
    run.refresh_from_db(fields=["next_attempt_at", "seq"])
    return run


def _refuse_switched_off(deployment: Deployment, trigger: Trigger) -> None:
    if not deployment.enabled and trigger is Trigger.SCHEDULE:
        raise Conflict(
            STATE_CONFLICT, f"“{deployment.integration.name}” is switched off.", what_to_do="Switch it on first."
        )


def _refuse_moved(deployment: Deployment) -> None:
    """Raise Conflict where the cursor was reset since the deployment was read: the run would go on from the old one.

    Called once the run's row is there, and locks: a reset that comes later waits, and finds an active run.
    """
    row = Deployment.objects.select_for_update(no_key=True).filter(pk=deployment.pk)
    if row.values_list("epoch", flat=True).first() != deployment.epoch:
        raise Conflict(
            STATE_CONFLICT,
            f"The checkpoint of “{deployment.integration.name}” was reset at the same moment.",
            what_to_do="Start the run again.",
        )


def _is_active(deployment: Deployment) -> Conflict:
    active = Run.objects.filter(deployment=deployment, parent=None, state__in=ACTIVE_STATES).first()
    return Conflict(
        STATE_CONFLICT,
        f"“{deployment.integration.name}” has an active run{f' ({active})' if active else ''}.",
        what_to_do="Wait for it to end, or cancel it, then start again.",
        run=str(active.pk) if active else None,
    )


def _begin_of(deployment: Deployment, continues: Run | None, begin: Begin | None) -> Begin:
    if continues is not None:
        return Begin(continues.cursor, continues.scope)
    if begin is not None:
        return begin
    return Begin(deployment.cursor if deployment.version.read_mode == ReadMode.INCREMENTAL else None)


def _record_start(run: Run, deployment: Deployment) -> None:
    audit.record(
        workspace=run.workspace,
        action="run.started",
        object=run,
        after={
            "integration": deployment.integration.name,
            "trigger": str(run.trigger),
            "version": deployment.version.number,
        },
    )
    tell(run, "run.queued", f"Queued by {run.trigger}.")
    hold = hold_of(deployment, timezone.now()) if run.trigger in _BY_HAND else None
    if hold:
        words = f"Started by hand in a maintenance window, which ends {hold.until:%Y-%m-%d %H:%M} UTC."
        tell(run, "run.maintenance", words, level="warning")
    transaction.on_commit(lambda: hint(run.pk))


def tell(run: Run, kind: str, message: str = "", *, level: str = "info", data: dict[str, Any] | None = None) -> None:
    """Append an event of a run, numbered by the run's own counter, in the caller's transaction."""
    events.append(
        workspace=run.workspace_id,
        topic="run",
        object_id=run.pk,
        run_id=run.pk,
        seq=_next_seq(run.pk),
        kind=kind,
        message=message,
        level=level,
        data=data,
    )


def _next_seq(run_id: UUID) -> int:
    """Raise the counter of a run's events and return it, in one statement: every batch of every run does this."""
    with connection.cursor() as cursor:
        cursor.execute(_NEXT_SEQ, [UUIDField().get_db_prep_value(run_id, connection)])
        (seq,) = cursor.fetchone()
    return int(seq)


def cancel_run(*, run: Run) -> Run:
    """Ask for a cancel: a queued or paused run ends at once, a running one at its next batch; checkpoints are kept."""
    refuse_partition(run)
    with transaction.atomic():
        ended = Run.objects.filter(
            Q(state__in=[RunState.QUEUED, RunState.PAUSED]) | Q(state=RunState.RUNNING, lease_until__lt=Now()),
            pk=run.pk,
        ).update(state=RunState.CANCELLED, cancel_requested=True, finished_at=Now(), fence=F("fence") + 1)
        asked = ended or Run.objects.filter(pk=run.pk, state=RunState.RUNNING).update(cancel_requested=True)
        if not asked:
            raise Conflict(STATE_CONFLICT, "The run has ended already.", what_to_do="Nothing is left to cancel.")
        audit.record(workspace=run.workspace, action="run.cancelled", object=run, after={"at_once": bool(ended)})
        if ended:
            reopen_letters(run)
            tell(run, "run.cancelled", "Cancelled while no worker had it.", level="warning")
        else:
            tell(run, "run.cancel_requested", "Cancel asked for; the worker stops after this batch.", level="warning")
    run.refresh_from_db()
    return run


def refuse_partition(run: Run) -> None:
    """Raise Conflict for a partition: it is cancelled, paused and continued with the run that it is a part of."""
    if run.parent_id is not None:
        raise Conflict(
            STATE_CONFLICT,
            "This is a partition of a run; it does not stand alone.",
            what_to_do="Do it with the run that it belongs to.",
            run=str(run.parent_id),
        )


def counts(run: Run) -> dict[str, Any]:
    """A run's counters, as events and pages show them."""
    return {
        "read": run.read,
        "written": run.written,
        "set_aside": run.set_aside,
        "filtered": run.filtered,
        "batches": run.batches,
        "progress": run.progress,
    }


def note_redriven(batch: RunBatch) -> None:
    """Say of each letter that this batch of a redrive sent what became of it.

    An earlier run's may be open again by now, or discarded; one that was discarded stays so.
    """
    if not batch.letters:
        return
    sent = DeadLetter.objects.filter(pk__in=batch.letters).exclude(state=DeadLetterState.REDRIVEN)
    again = DeadLetter.objects.filter(run=batch.run_id, batch_number=batch.number, origin__isnull=False)
    sent.update(outcome=Outcome.WRITTEN, redrive=batch.run_id)
    if batch.filtered_letters:
        sent.filter(pk__in=batch.filtered_letters).update(outcome=Outcome.FILTERED)
    sent.filter(pk__in=list(again.values_list("origin_id", flat=True))).update(outcome=Outcome.SET_ASIDE)
    sent.filter(state__in=[DeadLetterState.REDRIVING, DeadLetterState.OPEN]).update(
        state=DeadLetterState.REDRIVEN, resolved_at=Now()
    )
    RunBatch.objects.filter(pk=batch.pk).update(letters=[], filtered_letters=None)


def reopen_letters(run: Run) -> None:
    """Letters that a redrive run took and did not send go back to open."""
    if run.trigger == Trigger.REDRIVE:
        DeadLetter.objects.filter(redrive=run, state=DeadLetterState.REDRIVING).update(
            state=DeadLetterState.OPEN, redrive=None
        )
