"""Starts and ends runs, and hands them to workers: claim, lease, fence. Progress stands in `run_progress`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import structlog
from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import F, Q
from django.db.models.functions import Coalesce, Now

from accounts import audit
from accounts.errors import STATE_CONFLICT, Conflict, SignalboxError
from accounts.models import User
from integrations import events
from integrations.domain.lifecycle import ACTIVE_STATES, DeadLetterState, RunState, Trigger
from integrations.errors import LEASE_LOST, RUN_CANCELLED, StopRun
from integrations.hints import hint
from integrations.models import DeadLetter, Deployment, Run
from integrations.models.integration import ReadMode

log = structlog.get_logger(__name__)
HINT_AGAIN_SECONDS = 10
RECONCILE_AT_MOST = 200


@dataclass(frozen=True)
class Claim:
    """A worker's hold on a run: its later changes name this fence."""

    run_id: UUID
    fence: int


def start_run(
    *,
    deployment: Deployment,
    trigger: Trigger,
    user: User | None = None,
    due_at: datetime | None = None,
    continues: Run | None = None,
) -> Run:
    """Queue a run of the deployment's version and hint a worker. Raises Conflict where one is active already."""
    if not deployment.enabled and trigger is Trigger.SCHEDULE:
        raise Conflict(
            STATE_CONFLICT, f"“{deployment.integration.name}” is switched off.", what_to_do="Switch it on first."
        )
    start_cursor = _start_cursor(deployment, continues)
    try:
        with transaction.atomic():
            run = Run.objects.create(
                workspace_id=deployment.workspace_id,
                deployment=deployment,
                version_id=deployment.version_id,
                trigger=trigger,
                requested_by=user,
                due_at=due_at,
                continues=continues,
                next_attempt_at=Now(),
                start_cursor=start_cursor,
                cursor=start_cursor,
            )
            _record_start(run, deployment)
    except IntegrityError as error:
        active = Run.objects.filter(deployment=deployment, state__in=ACTIVE_STATES).first()
        raise Conflict(
            STATE_CONFLICT,
            f"“{deployment.integration.name}” has an active run{f' ({active})' if active else ''}.",
            what_to_do="Wait for it to end, or cancel it, then start again.",
            run=str(active.pk) if active else None,
        ) from error
    # The database's clock has set one, the event the other.
    run.refresh_from_db(fields=["next_attempt_at", "seq"])
    return run


def _start_cursor(deployment: Deployment, continues: Run | None) -> Any:
    if continues is not None:
        return continues.cursor
    return deployment.cursor if deployment.version.read_mode == ReadMode.INCREMENTAL else None


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
    transaction.on_commit(lambda: hint(run.pk))


def tell(run: Run, kind: str, message: str = "", *, level: str = "info", data: dict[str, Any] | None = None) -> None:
    """Append an event of a run, numbered by the run's own counter, in the caller's transaction."""
    Run.objects.filter(pk=run.pk).update(seq=F("seq") + 1)
    seq = Run.objects.values_list("seq", flat=True).get(pk=run.pk)
    events.append(
        workspace=run.workspace_id,
        topic="run",
        object_id=run.pk,
        run_id=run.pk,
        seq=seq,
        kind=kind,
        message=message,
        level=level,
        data=data,
    )


def cancel_run(*, run: Run) -> Run:
    """Ask for a cancel: a queued run ends at once, a running one at its next batch, with its checkpoint kept."""
    with transaction.atomic():
        ended = Run.objects.filter(
            Q(state=RunState.QUEUED) | Q(state=RunState.RUNNING, lease_until__lt=Now()), pk=run.pk
        ).update(state=RunState.CANCELLED, cancel_requested=True, finished_at=Now(), fence=F("fence") + 1)
        asked = ended or Run.objects.filter(pk=run.pk, state=RunState.RUNNING).update(cancel_requested=True)
        if not asked:
            raise Conflict(STATE_CONFLICT, "The run has ended already.", what_to_do="Nothing is left to cancel.")
        audit.record(workspace=run.workspace, action="run.cancelled", object=run, after={"at_once": bool(ended)})
        if ended:
            _reopen_letters(run.pk)
            tell(run, "run.cancelled", "Cancelled before a worker had it.", level="warning")
        else:
            tell(run, "run.cancel_requested", "Cancel asked for; the worker stops after this batch.", level="warning")
    run.refresh_from_db()
    return run


def claim_run(*, run_id: UUID, worker: str) -> Claim | None:
    """Take a due run for this worker, on the database's clock; None when it is not due or another worker has it."""
    lease = timedelta(seconds=settings.LEASE_SECONDS)
    with transaction.atomic():
        taken = (
            Run.objects.filter(pk=run_id)
            .filter(
                Q(state=RunState.QUEUED, next_attempt_at__lte=Now())
                | Q(state=RunState.RUNNING, lease_until__lt=Now(), next_attempt_at__lte=Now())
            )
            .update(
                state=RunState.RUNNING,
                worker=worker,
                lease_until=Now() + lease,
                claims=F("claims") + 1,
                claims_without_progress=F("claims_without_progress") + 1,
                started_at=Coalesce("started_at", Now()),
            )
        )
        if not taken:
            return None
        run = Run.objects.only("id", "workspace_id", "deployment_id", "claims", "attempt").get(pk=run_id)
        Deployment.objects.filter(pk=run.deployment_id).update(fence=F("fence") + 1)
        fence = Deployment.objects.values_list("fence", flat=True).get(pk=run.deployment_id)
        Run.objects.filter(pk=run_id).update(fence=fence)
        tell(run, "run.claimed", f"Slice {run.claims} on {worker}.", data={"worker": worker, "slice": run.claims})
    return Claim(run_id, fence)


def extend_lease(claim: Claim) -> bool:
    """Prolong the lease; say whether a cancel was asked for. Raises StopRun when the run is another's or has ended."""
    lease = timedelta(seconds=settings.LEASE_SECONDS)
    held = Run.objects.filter(pk=claim.run_id, fence=claim.fence, state=RunState.RUNNING)
    if not held.update(lease_until=Now() + lease):
        raise StopRun(LEASE_LOST, "Another worker holds this run, or it has ended.")
    return Run.objects.values_list("cancel_requested", flat=True).get(pk=claim.run_id)


def yield_run(claim: Claim) -> None:
    """Hand the run back between slices: its lease ends now, and the next slice is hinted."""
    with transaction.atomic():
        _guarded(claim, lease_until=Now())
        transaction.on_commit(lambda: hint(claim.run_id))


def retry_run(claim: Claim, *, error: SignalboxError, delay_seconds: float) -> None:
    """Put the run back in the queue until `delay_seconds` have passed."""
    with transaction.atomic():
        _guarded(
            claim,
            state=RunState.QUEUED,
            lease_until=None,
            attempt=F("attempt") + 1,
            next_attempt_at=Now() + timedelta(seconds=delay_seconds),
            error_code=error.code,
            error_message=error.message,
            error_what_to_do=error.what_to_do,
        )
        run = Run.objects.get(pk=claim.run_id)
        tell(
            run,
            "run.retrying",
            f"{error.message} Attempt {run.attempt + 1} in {delay_seconds:.0f} s.",
            level="warning",
            data={"code": error.code, "delay_seconds": delay_seconds},
        )


def succeed_run(claim: Claim, *, warnings: list[str]) -> None:
    """End a run as succeeded; each warning is an event and marks the run."""
    with transaction.atomic():
        _guarded(
            claim, state=RunState.SUCCEEDED, finished_at=Now(), lease_until=None, progress=1.0,
            has_warnings=bool(warnings), error_code="", error_message="", error_what_to_do="",
        )  # fmt: skip
        run = Run.objects.get(pk=claim.run_id)
        _reopen_letters(run.pk)
        for warning in warnings:
            tell(run, "run.warning", warning, level="warning")
        tell(run, "run.succeeded", f"{run.written:,} records written.", data=counts(run))


def fail_run(claim: Claim, error: SignalboxError) -> None:
    """End a run as failed, with what happened and what to do; the checkpoint stays."""
    _end(claim, RunState.FAILED, "run.failed", "error", error)


def end_cancelled(claim: Claim) -> None:
    """End a running run that was asked to stop."""
    _end(claim, RunState.CANCELLED, "run.cancelled", "warning", StopRun(RUN_CANCELLED, "The run was cancelled."))


def _end(claim: Claim, state: RunState, kind: str, level: str, error: SignalboxError) -> None:
    with transaction.atomic():
        _guarded(
            claim, state=state, finished_at=Now(), lease_until=None,
            error_code=error.code, error_message=error.message, error_what_to_do=error.what_to_do,
        )  # fmt: skip
        run = Run.objects.get(pk=claim.run_id)
        _reopen_letters(run.pk)
        tell(run, kind, error.message, level=level, data={"code": error.code, **counts(run)})


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


def _guarded(claim: Claim, **changes: Any) -> None:
    """Change the run only while this claim holds it."""
    if not Run.objects.filter(pk=claim.run_id, fence=claim.fence, state=RunState.RUNNING).update(**changes):
        raise StopRun(LEASE_LOST, "Another worker holds this run, or it has ended.")


def _reopen_letters(run_id: UUID) -> None:
    """Letters that a redrive run took and did not send go back to open."""
    DeadLetter.objects.filter(redrive_id=run_id, state=DeadLetterState.REDRIVING).update(
        state=DeadLetterState.OPEN, redrive=None
    )


def reconcile() -> int:
    """Hint every run that the rows say is due and that nobody was told of lately; return how many."""
    stale = Now() - timedelta(seconds=HINT_AGAIN_SECONDS)
    due = Run.objects.filter(
        Q(state=RunState.QUEUED) | Q(state=RunState.RUNNING, lease_until__lt=Now()), next_attempt_at__lte=Now()
    ).filter(Q(hinted_at__isnull=True) | Q(hinted_at__lt=stale))
    hinted = 0
    for run_id in list(due.order_by("next_attempt_at").values_list("id", flat=True)[:RECONCILE_AT_MOST]):
        Run.objects.filter(pk=run_id).update(hinted_at=Now())
        hinted += hint(run_id)
    return hinted
