"""Pauses and resumes runs, at any moment: a paused run holds its integration and its checkpoint, and no worker."""

from __future__ import annotations

from django.db import transaction
from django.db.models import F, Q
from django.db.models.functions import Now

from accounts import audit
from accounts.errors import STATE_CONFLICT, Conflict
from integrations.domain.lifecycle import RunState
from integrations.hints import hint
from integrations.models import Run
from integrations.services.runs import refuse_partition, tell

_NOBODY_HAS_IT = Q(state=RunState.QUEUED) | Q(state=RunState.RUNNING, lease_until__lt=Now(), partition_count=0)


def pause_run(*, run: Run) -> Run:
    """Ask for a pause: a queued run pauses at once, a running one after its batch, with its checkpoint kept."""
    refuse_partition(run)
    with transaction.atomic():
        paused = Run.objects.filter(_NOBODY_HAS_IT, pk=run.pk, cancel_requested=False).update(
            state=RunState.PAUSED, lease_until=None, waits_for="", claims_without_progress=0, fence=F("fence") + 1
        )
        working = Run.objects.filter(pk=run.pk, state=RunState.RUNNING, cancel_requested=False, pause_requested=False)
        if not paused and not working.update(pause_requested=True):
            raise Conflict(
                STATE_CONFLICT, "The run is paused, or ends already.", what_to_do="Reload the page to see where it is."
            )
        audit.record(workspace=run.workspace, action="run.paused", object=run, after={"at_once": bool(paused)})
        if paused:
            tell(run, "run.paused", "Paused; no worker had it.", level="warning")
        else:
            tell(run, "run.pause_requested", "Pause asked for; the worker stops after this batch.", level="warning")
    run.refresh_from_db()
    return run


def resume_run(*, run: Run) -> Run:
    """Let a paused run go on from its checkpoint; one that has not stopped yet goes on without a stop."""
    refuse_partition(run)
    with transaction.atomic():
        queued = Run.objects.filter(pk=run.pk, state=RunState.PAUSED).update(
            state=RunState.QUEUED, next_attempt_at=Now(), pause_requested=False
        )
        asked = Run.objects.filter(pk=run.pk, state=RunState.RUNNING, pause_requested=True)
        if not queued and not asked.update(pause_requested=False):
            raise Conflict(
                STATE_CONFLICT, f"The run is {run.state}; only a paused one is resumed.", what_to_do="Start a new run."
            )
        audit.record(workspace=run.workspace, action="run.resumed", object=run, after={"was_paused": bool(queued)})
        tell(run, "run.resumed", "Resumed; it goes on from its checkpoint.")
        transaction.on_commit(lambda: hint(run.pk))
    run.refresh_from_db()
    return run
