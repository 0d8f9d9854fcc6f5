"""Batches that an ended run prepared and did not commit: the destination's checkpoint says whether it has them.

A run may be cancelled, or may fail, between a batch's preparation and its commit. The next run of the deployment
settles what was left, before it reads: a batch that the destination has is counted for its own run, one that it has not
is forgotten with its dead letters, since its records are read again. So does a redrive with what earlier ones left, and
sends none of the letters that have arrived. What nobody can ask for any more is closed: the run that left it says so.
"""

from __future__ import annotations

from django.db.models import F
from django.db.models.functions import Now

from integrations.connectors.base import StoredCheckpoint
from integrations.domain.guarantee import Guarantee, may_double_when_read_again
from integrations.domain.lifecycle import BatchState, DeadLetterState
from integrations.models import BatchIntent, DeadLetter, Run, RunBatch
from integrations.services.intents import mark_uncertain
from integrations.services.owners import left_behind, left_prepared, owner_of
from integrations.services.partitions import count_in_parent
from integrations.services.repeated import fold
from integrations.services.runs import counts, note_redriven, tell

_RESET = "The checkpoint was reset before its answer was known, and a later run sends its records again."


def settle(run: Run, owner: str, stored: StoredCheckpoint | None) -> None:
    """Settle, in the caller's guarded transaction, what earlier runs left under the checkpoint that this run found."""
    if not _is_something_left(run):
        return
    for batch in left_prepared(run):
        if owner_of(batch.run) != owner:
            continue
        if stored is not None and stored.run == str(batch.run_id) and batch.number <= stored.batch_number:
            _count(batch)
        else:
            _forget(batch)


def close(run: Run) -> None:
    """Close, in the caller's guarded transaction, what earlier runs left and no run will ask of.

    Its records are read again: into another destination, or, after a reset, into the same one. What may be there twice
    then is marked as uncertain.
    """
    if not _is_something_left(run):
        return
    for batch in left_behind(run):
        intent = getattr(batch, "intent", None)
        is_elsewhere = _place(batch.run) != _place(run)
        if not _forget(batch):
            continue
        if is_elsewhere:
            words = "was prepared for another destination; whether it has arrived there is not known, and not counted."
            tell(batch.run, "run.superseded", f"Batch {batch.number} {words}", level="warning")
        elif intent and (records := _may_be_there(batch, intent)):
            mark_uncertain(batch.run, batch.number, records, _RESET)
        else:
            words = "was not committed before the checkpoint was reset; a later run sends its records again."
            tell(batch.run, "run.superseded", f"Batch {batch.number} {words}", level="warning")


def _is_something_left(run: Run) -> bool:
    return RunBatch.objects.filter(run__deployment=run.deployment_id, state=BatchState.PREPARED).exists()


def _place(run: Run) -> tuple[object, str]:
    return run.version.destination_id, run.version.destination_stream


def _may_be_there(batch: RunBatch, intent: BatchIntent) -> int:
    """How many records of a batch that was left may be in the destination twice, once they are read and sent again."""
    if not may_double_when_read_again(Guarantee(intent.guarantee)):
        return 0
    # What a key protects is sent without a note of it.
    return sum(intent.sizes[: intent.begun]) if intent.guarantee == Guarantee.APPEND_ONLY else batch.written


def _count(batch: RunBatch) -> None:
    # Another partition of this run may be at the same.
    prepared = RunBatch.objects.filter(pk=batch.pk, state=BatchState.PREPARED)
    if not prepared.update(state=BatchState.COMMITTED, committed_at=Now()):
        return
    Run.objects.filter(pk=batch.run_id).update(
        cursor=batch.cursor,
        batches=batch.number,
        read=F("read") + batch.read,
        written=F("written") + batch.written,
        set_aside=F("set_aside") + batch.set_aside,
        filtered=F("filtered") + batch.filtered,
        read_bytes=F("read_bytes") + batch.read_bytes,
    )
    note_redriven(batch)
    run = Run.objects.select_related("deployment").get(pk=batch.run_id)
    fold(run, batch.number)
    message = f"Batch {batch.number} had arrived before the run ended; the next run found and counted it."
    tell(run, "run.settled", message, data={"batch": batch.number, **counts(run)})
    count_in_parent(run, batch)


def _forget(batch: RunBatch) -> bool:
    """Forget a batch and its letters; say whether it was still there."""
    gone, _ = RunBatch.objects.filter(pk=batch.pk, state=BatchState.PREPARED).delete()
    if not gone:
        return False
    DeadLetter.objects.filter(run=batch.run_id, batch_number=batch.number, state=DeadLetterState.OPEN).delete()
    return True
