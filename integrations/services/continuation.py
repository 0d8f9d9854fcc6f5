"""Starts a run that goes on where another one stopped."""

from __future__ import annotations

from django.db.models import Q

from accounts.errors import STATE_CONFLICT, Conflict
from accounts.models import User
from integrations.domain.lifecycle import RunState, Trigger
from integrations.models import Deployment, Run
from integrations.services.owners import moves_the_stream
from integrations.services.runs import refuse_partition, start_run

_CAN_CONTINUE = frozenset({RunState.FAILED.value, RunState.CANCELLED.value})


def continue_run(*, run: Run, user: User | None) -> Run:
    """Queue a run from the checkpoint of one that failed or was cancelled, under the version that is active now.

    Raises Conflict where the run did not end so, or its checkpoint means nothing to what is read now.
    """
    refuse_partition(run)
    deployment = Deployment.objects.select_related("integration", "version").get(pk=run.deployment_id)
    if run.state not in _CAN_CONTINUE:
        raise Conflict(STATE_CONFLICT, f"The run is {run.state}; only a failed or cancelled one can be retried.")
    if run.trigger == Trigger.REDRIVE:
        raise Conflict(
            STATE_CONFLICT, "A redrive is not retried.", what_to_do="Redrive the dead letters again; they are open."
        )
    if (newer := _newer(run)) is not None:
        raise Conflict(
            STATE_CONFLICT,
            f"Run {newer} has read this stream since.",
            what_to_do="Continue the newest run, or start a new one.",
            run=str(newer.pk),
        )
    if run.version.reads != deployment.version.reads:
        raise Conflict(
            STATE_CONFLICT,
            "The active version reads something else than this run did.",
            what_to_do="Start a new run; where you need the version of this run, activate it first.",
        )
    if run.epoch != deployment.epoch and moves_the_stream(run):
        raise Conflict(
            STATE_CONFLICT,
            "The checkpoint was reset since this run, so its place is not known any more.",
            what_to_do="Start a new run.",
        )
    return start_run(deployment=deployment, trigger=Trigger.RETRY, user=user, continues=_that_moved(run))


def _that_moved(run: Run) -> Run:
    """The run whose place it is: one that ended before it read anything stands where the one stood that it continues.

    Only that one knows its partitions.
    """
    while run.continues is not None and not run.partition_count and not run.run_batches.exists():
        run = run.continues
    return run


def _newer(run: Run) -> Run | None:
    """The newest run that went on from this one, or moved the same stream since; its place is another one by now."""
    # One run of a deployment begins after the other has ended; the database's clock has set both moments.
    later = Run.objects.filter(deployment=run.deployment_id, parent=None, started_at__gte=run.finished_at)
    later = later.exclude(pk=run.pk).exclude(trigger=Trigger.REDRIVE)
    same_line = Q(continues=run) if run.scope else Q(continues=run) | Q(scope__isnull=True)
    has_moved = Q(run_batches__isnull=False) | Q(partition_count__gt=0)
    return later.filter(same_line, has_moved).order_by("-started_at").first()
