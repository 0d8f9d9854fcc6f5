"""A worker's hold on a run: claim it, keep its lease, and end the slice; every change says `WHERE fence = ?`."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import F, Q
from django.db.models.functions import Coalesce, Now

from accounts.errors import SignalboxError
from integrations.domain.lifecycle import ACTIVE_STATES, RunState
from integrations.domain.words import counted
from integrations.errors import LEASE_LOST, RUN_CANCELLED, StopRun
from integrations.hints import hint
from integrations.models import Deployment, Run
from integrations.services.concurrency import has_room, is_bounded
from integrations.services.owed_starts import owe_starts
from integrations.services.partitions import child_stopped
from integrations.services.policy_actions import note_failure
from integrations.services.runs import counts, reopen_letters, tell

# What a worker may take: queued and due, or held by nobody any more.
DUE = Q(next_attempt_at__lte=Now()) & (Q(state=RunState.QUEUED) | Q(state=RunState.RUNNING, lease_until__lt=Now()))


@dataclass(frozen=True)
class Claim:
    """A worker's hold on a run: its later changes name this fence."""

    run_id: UUID
    fence: int


@dataclass(frozen=True)
class Asked:
    """What people have asked of a run while it works."""

    to_cancel: bool
    to_pause: bool


# Claims whose slices this process could not end, since the database was away. They were no deaths.
_survived: deque[Claim] = deque(maxlen=1_000)


def claim_run(*, run_id: UUID, worker: str, bounded: bool | None = None) -> Claim | None:
    """Take a due run for this worker, on the database's clock; None where it cannot be had.

    `bounded` is what `is_bounded` has just said, where it was asked.
    """
    lease = timedelta(seconds=settings.LEASE_SECONDS)
    with transaction.atomic():
        if (is_bounded() if bounded is None else bounded) and not has_room(run_id):
            return None
        taken = Run.objects.filter(DUE, pk=run_id).update(
            state=RunState.RUNNING,
            worker=worker,
            lease_until=Now() + lease,
            claimed_at=Now(),
            waits_for="",
            claims=F("claims") + 1,
            claims_without_progress=F("claims_without_progress") + 1,
            started_at=Coalesce("started_at", Now()),
        )
        if not taken:
            return None
        Deployment.objects.filter(runs=run_id).update(fence=F("fence") + 1)
        found = Run.objects.select_related("deployment").only("workspace_id", "claims", "deployment__fence")
        run = found.get(pk=run_id)
        fence = run.deployment.fence
        Run.objects.filter(pk=run_id).update(fence=fence)
        tell(run, "run.claimed", f"Slice {run.claims} on {worker}.", data={"worker": worker, "slice": run.claims})
    return Claim(run_id, fence)


def extend_lease(claim: Claim) -> Asked:
    """Prolong the lease; return what was asked for. Raises StopRun when the run is another's or has ended."""
    guarded(claim, lease_until=Now() + timedelta(seconds=settings.LEASE_SECONDS))
    return asked_of(claim.run_id)


def asked_of(run_id: UUID) -> Asked:
    """What people have asked of a run, or of the run whose partition it is."""
    names = ("cancel_requested", "pause_requested")
    row = Run.objects.values_list(*names, *(f"parent__{name}" for name in names)).get(pk=run_id)
    return Asked(to_cancel=bool(row[0] or row[2]), to_pause=bool(row[1] or row[3]))


def yield_run(claim: Claim) -> None:
    """Hand the run back between slices: it is due again now, behind those that are due already, and is hinted."""
    with transaction.atomic():
        guarded(claim, lease_until=Now(), next_attempt_at=Now(), claims_without_progress=0)
        transaction.on_commit(lambda: hint(claim.run_id))


def hand_back(claim: Claim) -> None:
    """Give up a slice whose worker lives on: the claim counts as no death, whoever holds the run now."""
    with transaction.atomic():
        run = Run.objects.filter(pk=claim.run_id, state=RunState.RUNNING)
        if run.filter(fence=claim.fence).update(lease_until=Now(), claims_without_progress=0):
            tell(Run.objects.get(pk=claim.run_id), "run.interrupted", "The slice ended early.", level="warning")
            transaction.on_commit(lambda: hint(claim.run_id))
        else:
            Run.objects.filter(pk=claim.run_id, state__in=ACTIVE_STATES, claims_without_progress__gt=1).update(
                claims_without_progress=F("claims_without_progress") - 1
            )


def release_dead(workers: Collection[str]) -> int:
    """End the leases of processes that are known to be dead, and hint; return how many runs they held."""
    held = Q(state=RunState.RUNNING, worker__in=workers, lease_until__gt=Now())
    released = 0
    for run in Run.objects.filter(held).only("id", "workspace_id", "worker", "fence"):
        with transaction.atomic():
            if Run.objects.filter(held, pk=run.pk, fence=run.fence).update(lease_until=Now()):
                tell(run, "run.worker_died", f"The process {run.worker} died; another one goes on.", level="warning")
                transaction.on_commit(partial(hint, run.pk))
                released += 1
    return released


def remember_survivor(claim: Claim) -> None:
    """Keep a claim that cannot be handed back now, for `hand_back_survivors`."""
    _survived.append(claim)


def hand_back_survivors() -> None:
    """Hand back what this process held when the database went away. Raises the database's errors while it is away."""
    while _survived:
        hand_back(_survived[0])
        _survived.popleft()


def retry_run(claim: Claim, *, error: SignalboxError, delay_seconds: float) -> None:
    """Put the run back in the queue until `delay_seconds` have passed."""
    with transaction.atomic():
        guarded(
            claim,
            state=RunState.QUEUED,
            lease_until=None,
            attempt=F("attempt") + 1,
            claims_without_progress=0,
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
            data={"code": error.code, "delay_seconds": delay_seconds, "attempt": run.attempt},
        )


def succeed_run(claim: Claim, *, warnings: list[str]) -> int:
    """End a run as succeeded; each warning is an event and marks the run. Return how many starts it now owes."""
    with transaction.atomic():
        guarded(
            claim, state=RunState.SUCCEEDED, finished_at=Now(), lease_until=None, progress=1.0,
            has_warnings=bool(warnings), error_code="", error_message="", error_what_to_do="",
        )  # fmt: skip
        run = Run.objects.get(pk=claim.run_id)
        reopen_letters(run)
        for warning in warnings:
            tell(run, "run.warning", warning, level="warning")
        tell(run, "run.succeeded", f"{counted(run.written, 'record')} written.", data=counts(run))
        owed = owe_starts(run)
        child_stopped(run)
    return owed


def fail_run(claim: Claim, error: SignalboxError) -> None:
    """End a run as failed, with what happened and what to do; the checkpoint stays."""
    _end(claim, RunState.FAILED, "run.failed", "error", error)


def end_cancelled(claim: Claim) -> None:
    """End a running run that was asked to stop."""
    _end(claim, RunState.CANCELLED, "run.cancelled", "warning", StopRun(RUN_CANCELLED, "The run was cancelled."))


def end_paused(claim: Claim) -> None:
    """Stop a running run at its checkpoint until somebody resumes it."""
    with transaction.atomic():
        guarded(claim, state=RunState.PAUSED, lease_until=None, pause_requested=False, claims_without_progress=0)
        run = Run.objects.get(pk=claim.run_id)
        tell(run, "run.paused", f"Paused after batch {run.batches}.", level="warning", data=counts(run))
        child_stopped(run)


def _end(claim: Claim, state: RunState, kind: str, level: str, error: SignalboxError) -> None:
    with transaction.atomic():
        guarded(
            claim, state=state, finished_at=Now(), lease_until=None,
            error_code=error.code, error_message=error.message, error_what_to_do=error.what_to_do,
        )  # fmt: skip
        run = Run.objects.get(pk=claim.run_id)
        reopen_letters(run)
        tell(run, kind, error.message, level=level, data={"code": error.code, **counts(run)})
        if state is RunState.FAILED:
            note_failure(run, error)
        child_stopped(run)


def guarded(claim: Claim, **changes: Any) -> None:  # any column of the run
    """Change the run only while this claim holds it. Raises StopRun where it does not."""
    if not Run.objects.filter(pk=claim.run_id, fence=claim.fence, state=RunState.RUNNING).update(**changes):
        raise StopRun(LEASE_LOST, "Another worker holds this run, or it has ended.")
