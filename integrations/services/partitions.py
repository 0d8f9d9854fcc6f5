"""Partitions of a run, as child runs: what happens in one is counted in its parent and, at the end, ends it.

A transaction locks a child before its parent, never the other way round. So what a parent asks of its children
(cancel, pause) stands in the parent's row; a child that works reads it there, and `sweep` stops those that wait.
"""

from __future__ import annotations

from functools import partial
from uuid import UUID

from django.db import transaction
from django.db.models import Avg, F, Q, QuerySet
from django.db.models.functions import Coalesce, Now

from integrations.domain.lifecycle import ACTIVE_STATES, RunState
from integrations.domain.partition import PARTITION_ENDED, outcome
from integrations.errors import RUN_CANCELLED, StopRun
from integrations.hints import hint
from integrations.models import Run, RunBatch
from integrations.services.runs import counts, tell

SWEEP_AT_MOST = 200
_WAITS = Q(state=RunState.RUNNING, partition_count__gt=0, lease_until=None)


def count_in_parent(run: Run, batch: RunBatch) -> None:
    """Count a partition's batch in its parent, in the transaction that counts it in the partition."""
    if run.parent_id is None:
        return
    siblings = Run.objects.filter(parent=run.parent_id)
    progress = siblings.aggregate(all=Avg(Coalesce("progress", 0.0)))["all"]
    Run.objects.filter(pk=run.parent_id).update(
        batches=F("batches") + 1,
        read=F("read") + batch.read,
        written=F("written") + batch.written,
        set_aside=F("set_aside") + batch.set_aside,
        filtered=F("filtered") + batch.filtered,
        read_bytes=F("read_bytes") + batch.read_bytes,
        progress=progress,
    )
    parent = Run.objects.get(pk=run.parent_id)
    message = f"{label_of(run)}: batch {batch.number}, {batch.written:,} written."
    tell(parent, "run.progress", message, data={"partition": str(run.pk), **counts(parent)})


def child_stopped(run: Run) -> None:
    """A partition ended or was paused: where it was the last one, that is so for its parent too, in this transaction.

    One that failed stops the others: they keep their checkpoints, and the run can be continued.
    """
    if run.parent_id is None:
        return
    parent = Run.objects.select_for_update().get(pk=run.parent_id)
    level = {RunState.SUCCEEDED: "info", RunState.FAILED: "error"}.get(RunState(run.state), "warning")
    tell(parent, "run.partition", f"{label_of(run)} {run.state}.", level=level, data={"partition": str(run.pk)})
    if run.state == RunState.FAILED:
        Run.objects.filter(pk=parent.pk).update(cancel_requested=True)
    _settle(parent)


def label_of(run: Run) -> str:
    """What a person calls a partition."""
    return f"Partition {run.partition['key']}" if run.partition else str(run)


def sweep() -> int:
    """Stop partitions that wait where their parent was cancelled, paused or ended; end parents that nobody ended.

    Where a pause was taken back before all had stopped, those that had go on.
    """
    is_asked = Q(cancel_requested=True) | Q(pause_requested=True) | Q(state__in=PARTITION_ENDED)
    waiting = Run.objects.filter(parent__isnull=False, state__in=ACTIVE_STATES).values("parent")
    asked = Run.objects.filter(is_asked, pk__in=waiting)
    stopped = sum(_stop_waiting(parent) for parent in asked[:SWEEP_AT_MOST])
    taken_back = Run.objects.filter(_WAITS, cancel_requested=False, pause_requested=False)
    resumed = let_go_on(Run.objects.filter(parent__in=taken_back.values("pk")))
    return stopped + resumed + sum(_settle_alone(pk) for pk in _without_workers())


def let_go_on(partitions: QuerySet[Run]) -> int:
    """Queue those of some partitions that are paused, each with its event and a hint; return how many."""
    resumed = 0
    for run in partitions.filter(state=RunState.PAUSED)[:SWEEP_AT_MOST]:
        with transaction.atomic():
            if Run.objects.filter(pk=run.pk, state=RunState.PAUSED).update(
                state=RunState.QUEUED, next_attempt_at=Now()
            ):
                tell(run, "run.resumed", "Resumed; it goes on from its checkpoint.")
                transaction.on_commit(partial(hint, run.pk))
                resumed += 1
    return resumed


def _without_workers() -> list[UUID]:
    """Runs that wait for partitions of which none works or waits."""
    busy = Run.objects.filter(parent__isnull=False, state__in=[RunState.QUEUED, RunState.RUNNING]).values("parent")
    return list(Run.objects.filter(_WAITS).exclude(pk__in=busy).values_list("pk", flat=True)[:SWEEP_AT_MOST])


def _stop_waiting(parent: Run) -> int:
    """End or pause the partitions that no worker has; each in a transaction of its own, child before parent."""
    to_cancel = parent.cancel_requested or not parent.is_active
    nobody_has_it = Q(state=RunState.QUEUED) | Q(state=RunState.RUNNING, lease_until__lt=Now())
    waiting = Q(state=RunState.PAUSED) | nobody_has_it if to_cancel else nobody_has_it
    stopped = 0
    for pk in list(Run.objects.filter(waiting, parent=parent).values_list("pk", flat=True)):
        with transaction.atomic():
            changed = Run.objects.filter(waiting, pk=pk).update(
                **({"state": RunState.CANCELLED, "finished_at": Now()} if to_cancel else {"state": RunState.PAUSED}),
                lease_until=None,
                fence=F("fence") + 1,
            )
            if changed:
                run = Run.objects.get(pk=pk)
                tell(run, f"run.{run.state}", f"The run was {run.state}.", level="warning")
                child_stopped(run)
        stopped += changed
    return stopped


def _settle_alone(pk: UUID) -> int:
    with transaction.atomic():
        return _settle(Run.objects.select_for_update().get(pk=pk))


def _settle(parent: Run) -> int:
    """Give a locked parent the end of its partitions, where they all have one; return whether it changed."""
    partitions = Run.objects.filter(parent=parent)
    state = outcome(partitions.values_list("state", flat=True))
    waits = Run.objects.filter(_WAITS, pk=parent.pk)
    if state is None:
        return 0
    if state is RunState.SUCCEEDED:
        # A last slice judges the whole and ends the run, as it does for every run.
        changed = waits.update(lease_until=Now(), next_attempt_at=Now())
        if changed:
            transaction.on_commit(lambda: hint(parent.pk))
        return changed
    if state is RunState.PAUSED:
        return _pause(parent, waits.filter(pause_requested=True).update(state=state, pause_requested=False))
    return _end(parent, state, waits)


def _end(parent: Run, state: RunState, waits: QuerySet[Run]) -> int:
    """End a parent as failed, with the error of the partition that failed first, or as cancelled."""
    failed = Run.objects.filter(parent=parent, state=RunState.FAILED).order_by("finished_at", "id").first()
    cancelled = StopRun(RUN_CANCELLED, "The run was cancelled.")
    changed = waits.update(
        state=state,
        finished_at=Now(),
        fence=F("fence") + 1,
        error_code=failed.error_code if failed else cancelled.code,
        error_message=f"{label_of(failed)}: {failed.error_message}" if failed else cancelled.message,
        error_what_to_do=failed.error_what_to_do if failed else cancelled.what_to_do,
    )
    if changed:
        ended = Run.objects.get(pk=parent.pk)
        data = {"code": ended.error_code, **counts(ended)}
        tell(ended, f"run.{ended.state}", ended.error_message, level="error" if failed else "warning", data=data)
    return changed


def _pause(parent: Run, changed: int) -> int:
    if changed:
        tell(parent, "run.paused", "Paused; every partition stands at its checkpoint.", level="warning")
    return changed
