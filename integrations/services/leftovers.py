"""Batches that an ended run prepared and did not commit: the destination's checkpoint says whether it has them.

A run may be cancelled, or may fail, between a batch's preparation and its commit. The next run of the deployment
settles what was left, before it reads: a batch that the destination has is counted for its own run, one that it has not
is forgotten with its dead letters, since its records are read again. So does a redrive with what earlier ones left, and
sends none of the letters that have arrived.
"""

from __future__ import annotations

from django.db.models import F
from django.db.models.functions import Now

from integrations.connectors.base import StoredCheckpoint
from integrations.domain.lifecycle import BatchState, DeadLetterState
from integrations.models import DeadLetter, Run, RunBatch
from integrations.services.owners import left_prepared, owner_of
from integrations.services.partitions import count_in_parent
from integrations.services.runs import counts, note_redriven, tell


def settle(run: Run, owner: str, stored: StoredCheckpoint | None) -> None:
    """Settle, in the caller's guarded transaction, what earlier runs left under the checkpoint that this run found."""
    if not RunBatch.objects.filter(run__deployment=run.deployment_id, state=BatchState.PREPARED).exists():
        return
    for batch in left_prepared(run):
        if owner_of(batch.run) != owner:
            continue
        if stored is not None and stored.run == str(batch.run_id) and batch.number <= stored.batch_number:
            _count(batch)
        elif stored is not None or not run.deployment.epoch:
            # After a reset there is a new checkpoint, and what the old one says of this batch is not known.
            _forget(batch)


def _count(batch: RunBatch) -> None:
    Run.objects.filter(pk=batch.run_id).update(
        cursor=batch.cursor,
        batches=batch.number,
        read=F("read") + batch.read,
        written=F("written") + batch.written,
        set_aside=F("set_aside") + batch.set_aside,
        filtered=F("filtered") + batch.filtered,
        read_bytes=F("read_bytes") + batch.read_bytes,
    )
    RunBatch.objects.filter(pk=batch.pk).update(state=BatchState.COMMITTED, committed_at=Now())
    note_redriven(batch)
    run = Run.objects.get(pk=batch.run_id)
    message = f"Batch {batch.number} had arrived before the run ended; the next run found and counted it."
    tell(run, "run.settled", message, data={"batch": batch.number, **counts(run)})
    count_in_parent(run, batch)


def _forget(batch: RunBatch) -> None:
    DeadLetter.objects.filter(run=batch.run_id, batch_number=batch.number, state=DeadLetterState.OPEN).delete()
    batch.delete()
