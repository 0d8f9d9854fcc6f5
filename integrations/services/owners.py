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
    return _of_stream(run, run.epoch, run.partition["key"] if run.partition else "")


def continued(run: Run) -> list[UUID]:
    """The runs that this one continues, the nearest first."""
    chain: list[UUID] = []
    before = run.continues_id
    while before is not None and len(chain) < _CHAIN:
        chain.append(before)
        before = Run.objects.values_list("continues_id", flat=True).filter(pk=before).first()
    return chain


def moves_the_stream(run: Run) -> bool:
    """Say whether a run moves the stream's checkpoint, and not one of its own."""
    scope = scope_of(run.scope)
    return run.trigger != Trigger.REDRIVE and (scope is None or scope.goes_on)


def left_prepared(run: Run) -> QuerySet[RunBatch]:
    """Batches that ended runs of the same deployment prepared for the same SQL destination and did not commit."""
    return _unfinished(run).filter(_same_place(run, "run__"), intent=None)


def left_behind(run: Run) -> QuerySet[RunBatch]:
    """Batches that ended runs prepared, and of which no run will ask any more, now that this one begins.

    They were prepared for another destination than the version writes to now. Or they are a remote one's, whose place
    was in a checkpoint that was reset since: nobody takes them over. What has a checkpoint of its own can be continued.
    """
    elsewhere = ~_same_place(run, "run__")
    if run.trigger == Trigger.REDRIVE:
        return _unfinished(run).filter(elsewhere, run__trigger=Trigger.REDRIVE)
    was_reset = Q(intent__isnull=False, run__epoch__lt=run.epoch)
    return _unfinished(run).filter(_of_the_stream("run__"), elsewhere | was_reset).select_related("intent")


def former_owners(run: Run) -> list[str]:
    """Under whose names a worker of an earlier run might still write, that this run does not use itself.

    A worker that was stopped for long is kept out by the fence that its successor brings to the same checkpoint. Where
    the earlier run was cut otherwise, or the checkpoint was reset since, there is none; so before a run writes, it
    brings its fence to those too. A redrive does so to earlier redrives of which nobody knows yet what has arrived.
    """
    if run.batches:
        return []
    if run.trigger == Trigger.REDRIVE:
        return sorted({owner_of(left.run) for left in left_prepared(run).filter(run__trigger=Trigger.REDRIVE)})
    top = run.parent or run
    earlier = _since_the_last_success(top)
    if earlier is None:
        return []
    return sorted(_owners(run, earlier) - _owners(run, Run.objects.filter(pk=top.pk)))


def _since_the_last_success(run: Run) -> QuerySet[Run] | None:
    """Earlier runs of the stream into the same destination that the last success has not settled; None without any.

    In the order in which the database's clock saw them begin: one began when the other had ended. What never began has
    written nothing, and what has a checkpoint of its own has settled nothing of the stream's.
    """
    earlier = Run.objects.filter(
        _of_the_stream(), _same_place(run), deployment=run.deployment_id, parent=None, started_at__lt=run.started_at
    )
    # SQLite compares moments as texts, by which one is before itself.
    earlier = earlier.exclude(pk=run.pk).order_by("-started_at")
    if earlier.values_list("state", flat=True).first() in (None, RunState.SUCCEEDED):
        return None
    success = earlier.filter(state=RunState.SUCCEEDED).values_list("started_at", flat=True).first()
    return earlier.filter(started_at__gt=success) if success else earlier


def _unfinished(run: Run) -> QuerySet[RunBatch]:
    ended = RunBatch.objects.filter(run__deployment=run.deployment_id, state=BatchState.PREPARED)
    return ended.exclude(run__state__in=ACTIVE_STATES).select_related("run")


def _same_place(run: Run, prefix: str = "") -> Q:
    """Of runs: those that write where this one writes."""
    where = {"destination": run.version.destination_id, "destination_stream": run.version.destination_stream}
    return Q(**{f"{prefix}version__{name}": value for name, value in where.items()})


def _of_the_stream(prefix: str = "") -> Q:
    """Of runs: those that `moves_the_stream`."""
    goes_on = Q(**{f"{prefix}scope__isnull": True}) | Q(**{f"{prefix}scope__goes_on": True})
    return goes_on & ~Q(**{f"{prefix}trigger": Trigger.REDRIVE})


def _of_stream(run: Run, epoch: int, key: str) -> str:
    """The name of a partition's checkpoint, or of a run that is read whole (no key)."""
    return f"{run.deployment_id}:{epoch}{f':{key}' if key else ''}"


def _owners(run: Run, tops: QuerySet[Run]) -> set[str]:
    """The names of the checkpoints that some runs of the deployment move, or their partitions do."""
    # As text: SQLite would tell the key "1" as a number.
    cut = Run.objects.filter(parent__in=tops).values_list("epoch", KT("partition__key")).distinct()
    whole = tops.filter(partition_count=0).order_by().values_list("epoch", flat=True).distinct()
    return {_of_stream(run, epoch, key) for epoch, key in cut} | {_of_stream(run, epoch, "") for epoch in whole}
