"""The names under which a destination keeps checkpoints: a stream's, a partition's, or a single piece of work's."""

from __future__ import annotations

from uuid import UUID

from django.db.models import Q, QuerySet
from django.db.models.fields.json import KT

from integrations.domain.lifecycle import ACTIVE_STATES, BatchState, RunState, Trigger
from integrations.domain.scope import scope_of
from integrations.models import Run, RunBatch

# Runs that continue each other are followed back so far; what is older is nobody's any more.
_CHAIN = 100


def owner_of(run: Run) -> str:
    """The name of the checkpoint that a run moves.

    A redrive, a backfill and a replay have their own, so that they leave the stream's cursor alone.
    """
    if run.trigger == Trigger.REDRIVE:
        return f"redrive:{run.pk}"
    if (scope := scope_of(run.scope)) and not scope.goes_on:
        return scope.owner
    return _of_stream(run, run.partition["key"] if run.partition else "")


def continued(run: Run) -> list[UUID]:
    """The runs that this one continues, the nearest first."""
    chain: list[UUID] = []
    before = run.continues_id
    while before is not None and len(chain) < _CHAIN:
        chain.append(before)
        before = Run.objects.values_list("continues_id", flat=True).filter(pk=before).first()
    return chain


def left_prepared(run: Run) -> QuerySet[RunBatch]:
    """Batches that ended runs of the same deployment prepared for the same SQL destination and did not commit."""
    version = run.version
    return (
        RunBatch.objects.filter(
            run__deployment=run.deployment_id,
            run__version__destination=version.destination_id,
            run__version__destination_stream=version.destination_stream,
            state=BatchState.PREPARED,
            intent=None,
        )
        .exclude(run__state__in=ACTIVE_STATES)
        .select_related("run__deployment")
    )


def former_owners(run: Run) -> list[str]:
    """Under whose names a worker of an earlier run might still write, that this run does not use itself.

    A worker that was stopped for long is kept out by the fence that its successor brings to the same checkpoint. Where
    the earlier run was cut otherwise there is none; so before a run writes, it brings its fence to those too. A redrive
    does so to earlier redrives of which nobody knows yet what has arrived.
    """
    if run.batches:
        return []
    if run.trigger == Trigger.REDRIVE:
        return sorted({owner_of(left.run) for left in left_prepared(run).filter(run__trigger=Trigger.REDRIVE)})
    top = run.parent or run
    if not (used := _keys(_since_the_last_success(top))):
        return []
    mine = _keys(Run.objects.filter(pk=top.pk))
    return [_of_stream(run, key) for key in sorted(used - mine)]


def _since_the_last_success(run: Run) -> QuerySet[Run]:
    """Earlier runs of the stream, without those that the last success has settled.

    In the order in which the database's clock saw them begin: one began when the other had ended. What never began has
    written nothing, and what has a checkpoint of its own has settled nothing of the stream's.
    """
    of_stream = Q(scope__isnull=True) | Q(scope__goes_on=True)
    earlier = Run.objects.filter(of_stream, deployment=run.deployment_id, parent=None, started_at__lt=run.started_at)
    earlier = earlier.exclude(trigger=Trigger.REDRIVE).order_by("-started_at")
    if earlier.values_list("state", flat=True).first() in (None, RunState.SUCCEEDED):
        return earlier.none()
    success = earlier.filter(state=RunState.SUCCEEDED).values_list("started_at", flat=True).first()
    return earlier.filter(started_at__gt=success) if success else earlier


def _of_stream(run: Run, key: str) -> str:
    """The name of a partition's checkpoint, or of a run that is read whole (no key)."""
    return f"{run.deployment_id}:{run.deployment.epoch}{f':{key}' if key else ''}"


def _keys(tops: QuerySet[Run]) -> set[str]:
    """The keys of the partitions of some runs; the empty one for a run that is read whole."""
    # As text: SQLite would tell the key "1" as a number.
    cut = set(Run.objects.filter(parent__in=tops).values_list(KT("partition__key"), flat=True).distinct())
    return cut | ({""} if tops.filter(partition_count=0).exists() else set())
