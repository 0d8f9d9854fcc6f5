"""Cuts a run into partitions in its first slice, and lets it go on when they have ended."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

import pyarrow as pa
from django.db import transaction
from django.db.models import F
from django.db.models.functions import Now

from integrations.connectors import registry
from integrations.connectors.base import Connector, Cut, Partition, ReadRequest, WriteMode
from integrations.connectors.optional import Partitioned
from integrations.domain.lifecycle import RunState, Trigger
from integrations.domain.mapping import Mapping
from integrations.domain.partition import keeps_order
from integrations.domain.policy import EffectivePolicy
from integrations.domain.words import counted
from integrations.hints import hint
from integrations.models import Run, RunBatch
from integrations.models.integration import ReadMode
from integrations.pipeline.batch import columns_of
from integrations.services.claims import Claim, guarded
from integrations.services.partitions import let_go_on
from integrations.services.policy_actions import note_in_run
from integrations.services.runs import tell

MEGABYTE = 1024 * 1024
_CAN_BE_CUT = frozenset({Trigger.MANUAL, Trigger.SCHEDULE, Trigger.API, Trigger.CHAIN})


def partition_of(run: Run) -> Partition | None:
    """The part of the stream that a run reads; None for all of it."""
    return Partition(**run.partition) if run.partition else None


def may_be_cut(run: Run) -> bool:
    """Say whether a run can be cut: a full read from the start, of which nothing was written, by several writers."""
    if run.parent_id is not None or run.scope is not None:
        return False
    if run.continues is not None:
        return run.continues.partition_count > 0
    version = run.version
    return (
        run.trigger in _CAN_BE_CUT
        and run.start_cursor is None
        and version.read_mode == ReadMode.FULL
        and registry.get(version.destination.plugin).spec.parallel_writes
        and not RunBatch.objects.filter(run=run).exists()
    )


def cut_run(run: Run, claim: Claim, source: Connector, schema: pa.Schema, policy: EffectivePolicy) -> bool:
    """Cut a run that has not begun, or give it what is left of the cut run that it continues; say whether it was.

    The partitions are stored whole or not at all; from then on the run waits for them, and no worker holds it.
    """
    if run.continues is not None and run.continues.partition_count:
        left = run.continues.partitions.exclude(state=RunState.SUCCEEDED).order_by("id")
        _store(run, claim, [_child(run, Partition(**old.partition), old) for old in left if old.partition])
        return True
    parts = _parts(run, source, schema, policy)
    if len(parts) < 2:
        return False
    _store(run, claim, [_child(run, part) for part in parts])
    note_in_run(run, "partitions.most", f"cut the stream into {len(parts)} partitions")
    return True


def resume_partitions(run: Run, claim: Claim) -> bool:
    """Say whether all partitions of a cut run have succeeded; where not, let the paused ones go on and wait again."""
    left = run.partitions.exclude(state=RunState.SUCCEEDED)
    if not left.exists():
        return True
    with transaction.atomic():
        let_go_on(left)
        _wait(claim)
    return False


def _parts(run: Run, source: Connector, schema: pa.Schema, policy: EffectivePolicy) -> Sequence[Partition]:
    version = run.version
    cut = Cut(int(policy.value("partitions.most")), int(float(policy.value("partitions.least_megabytes")) * MEGABYTE))
    if cut.most < 2 or not isinstance(source, Partitioned):
        return []
    mode = WriteMode(version.write_mode)
    source_key = version.primary_key or (
        source.describe(version.source_stream).primary_key if mode is WriteMode.UPSERT else ()
    )
    mapping = Mapping.from_json(version.mapping)
    if not keeps_order(mode, set(version.key), set(source_key), mapping, columns_of(schema)):
        return []
    request = ReadRequest(version.source_stream, primary_key=tuple(version.primary_key), schema=schema)
    return source.partitions(request, cut)


def _child(run: Run, part: Partition, old: Run | None = None) -> Run:
    """A partition of a run; it goes on where the same one of an earlier run stood."""
    return Run(
        workspace_id=run.workspace_id,
        deployment_id=run.deployment_id,
        version_id=run.version_id,
        parent=run,
        partition={"key": part.key, "label": part.label, "spec": dict(part.spec)},
        trigger=Trigger.PARTITION,
        requested_by_id=run.requested_by_id,
        continues=old,
        epoch=run.epoch,
        start_cursor=old.cursor if old else None,
        cursor=old.cursor if old else None,
        schema=run.schema,
        next_attempt_at=Now(),
    )


def _store(run: Run, claim: Claim, children: list[Run]) -> None:
    with transaction.atomic():
        for child in children:
            child.save()
            label = child.partition["label"] if child.partition else ""
            tell(child, "run.queued", f"Partition: {label}.")
        # Where nothing was left to read, the run is due again at once, to be ended.
        _wait(claim, partition_count=len(children) or 1, lease_until=None if children else Now())
        tell(
            run,
            "run.partitioned",
            f"Cut into {counted(len(children), 'partition')}.",
            data={"partitions": len(children)},
        )
        ids = [child.pk for child in children] or [run.pk]
        transaction.on_commit(lambda: _hint_all(ids))


def _wait(claim: Claim, **changes: object) -> None:
    """Let go of the run until its partitions have ended; the fence says that this worker holds it no more."""
    guarded(
        claim, **{"lease_until": None, "fence": F("fence") + 1, "worker": "", "claims_without_progress": 0, **changes}
    )


def _hint_all(ids: Sequence[UUID]) -> None:
    for run_id in ids:
        hint(run_id)
