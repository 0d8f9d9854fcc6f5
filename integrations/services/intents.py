"""Stored batches of remote destinations: kept before they are sent, taken over by the run that would repeat them."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import Any

import msgspec
import pyarrow as pa
from django.db.models import F

from integrations import encryption
from integrations.connectors.base import Content, Refused
from integrations.domain.guarantee import Guarantee
from integrations.domain.lifecycle import ACTIVE_STATES, BatchState, DeadLetterState, Trigger
from integrations.domain.words import counted
from integrations.errors import BATCH_TOO_LARGE, NeedsPerson
from integrations.models import BatchIntent, DeadLetter, Run, RunBatch, UncertainBatch
from integrations.models.integration import ReadMode
from integrations.pipeline.ports import Parcel
from integrations.services.owners import continued
from integrations.services.runs import tell

MOST_BYTES = 64 * 1024 * 1024
AFTER_A_FAILURE = "The destination failed at them before, and may have stored them then."
_SENT_AGAIN = "It was sent again, and the answer to an earlier send is not known."


class _Stored(msgspec.Struct, frozen=True, array_like=True):
    data: bytes
    records: bytes
    origins: tuple[str, ...] = ()


def store(batch: RunBatch, parcel: Parcel, *, owner: str, guarantee: Guarantee, after: Any) -> None:
    """Keep a prepared batch's exact content. Raises NeedsPerson(BATCH_TOO_LARGE)."""
    plain = msgspec.msgpack.encode(_Stored(parcel.content.data, _to_bytes(parcel.records), parcel.origins))
    if len(plain) > MOST_BYTES:
        raise NeedsPerson(
            BATCH_TOO_LARGE,
            f"Batch {parcel.number} holds {len(plain):,} bytes, and {MOST_BYTES:,} are kept before they are sent.",
        )
    intent = BatchIntent(
        workspace_id=batch.run.workspace_id,
        batch=batch,
        owner=owner,
        guarantee=guarantee,
        after=after,
        sizes=list(parcel.content.sizes),
    )
    intent.content = encryption.encrypt(zlib.compress(plain, 1), bound_to=_binding(intent))
    intent.save(force_insert=True)


def parcel_of(intent: BatchIntent) -> Parcel:
    """The batch as it was stored, with how far its delivery came."""
    plain = zlib.decompress(encryption.decrypt(intent.content, bound_to=_binding(intent)))
    stored = msgspec.msgpack.decode(plain, type=_Stored)
    return Parcel(
        number=intent.batch.number,
        content=Content(stored.data, tuple(intent.sizes)),
        records=_from_bytes(stored.records),
        done=intent.done,
        refused=tuple(Refused(*each) for each in intent.refused),
        origins=stored.origins,
    )


def pending_of(run: Run) -> BatchIntent | None:
    """The batch of this run that was stored and is not committed."""
    return BatchIntent.objects.select_related("batch").filter(batch__run=run, batch__number=run.batches + 1).first()


def take_over(run: Run, owner: str) -> BatchIntent | None:
    """Make the unfinished batch of an ended run, which this run would repeat, the next batch of this run.

    So its records go out under the key that they may have gone out with, and as they were. A run that reads all of the
    stream anew repeats nothing: what is left is forgotten with its dead letters, which would else stand there twice.
    """
    if _begins_anew(run):
        for left in _candidates(run, owner):
            _forget(left)
        return None
    intent = next((each for each in _candidates(run, owner) if _is_repeated_by(run, each)), None)
    if intent is None:
        return None
    old, number = intent.batch, run.batches + 1
    DeadLetter.objects.filter(run=old.run, batch_number=old.number).update(run=run, batch_number=number)
    cursor = {"after": ""} if run.trigger == Trigger.REDRIVE else old.cursor
    RunBatch.objects.filter(pk=old.pk).update(run=run, number=number, cursor=cursor)
    tell(run, "run.took_over", f"Batch {old.number} of run {old.run} is sent first, as it was.", level="warning")
    return BatchIntent.objects.select_related("batch").get(pk=intent.pk)


def begin_part(run: Run, number: int, part: int, refused: Sequence[Refused]) -> None:
    """Note, where a second send would be stored twice, that a part is sent next; mark what may be there already."""
    intent = BatchIntent.objects.filter(batch__run=run, batch__number=number)
    found = intent.only("id", "guarantee", "done", "begun", "sizes").get()
    if found.guarantee != Guarantee.APPEND_ONLY:
        return
    if found.begun > part:
        mark_uncertain(run, number, sum(found.sizes[part : found.begun]), _SENT_AGAIN)
    intent.update(done=part, begun=part + 1, refused=_rows(refused))


def note_progress(run: Run, number: int, done: int, refused: Sequence[Refused], *, may_have_arrived: bool) -> bool:
    """Store how far a delivery came before an error ended it; say whether it came further than before."""
    intent = BatchIntent.objects.only("id", "done").get(batch__run=run, batch__number=number)
    begun = done + 1 if may_have_arrived else done
    BatchIntent.objects.filter(pk=intent.pk).update(done=done, begun=begun, refused=_rows(refused))
    return done > intent.done


def drop(batch: RunBatch) -> None:
    """Forget the content of a batch that is committed."""
    BatchIntent.objects.filter(batch=batch).delete()


def _begins_anew(run: Run) -> bool:
    """Say whether a run reads the whole stream again, whatever was read before."""
    goes_on = run.continues_id or run.batches or run.scope or run.trigger == Trigger.REDRIVE
    return not goes_on and run.version.read_mode != ReadMode.INCREMENTAL


def _forget(intent: BatchIntent) -> None:
    old = intent.batch
    DeadLetter.objects.filter(run=old.run, batch_number=old.number, state=DeadLetterState.OPEN).delete()
    tell(old.run, "run.superseded", f"Batch {old.number} was never committed; a new run reads its records again.")
    old.delete()


def _candidates(run: Run, owner: str) -> Sequence[BatchIntent]:
    found = (
        BatchIntent.objects.filter(
            workspace=run.workspace_id,
            batch__run__deployment=run.deployment_id,
            batch__state=BatchState.PREPARED,
            batch__run__version__destination=run.version.destination_id,
            batch__run__version__destination_stream=run.version.destination_stream,
        )
        .exclude(batch__run__state__in=ACTIVE_STATES)
        .select_related("batch__run")
        .order_by("-batch")
    )
    if run.trigger == Trigger.REDRIVE:
        return list(found.filter(batch__run__trigger=Trigger.REDRIVE).defer("content"))
    found = found.filter(owner=owner)
    if not _begins_anew(run) and (run.version.read_mode != ReadMode.INCREMENTAL or run.scope):
        found = found.filter(batch__run__in=continued(run))
    return list(found.defer("content"))


def _is_repeated_by(run: Run, intent: BatchIntent) -> bool:
    """Say whether this run is about to read what the batch holds."""
    if run.trigger != Trigger.REDRIVE:
        return run.batches == 0 and bool(intent.after == run.cursor)
    taken = DeadLetter.objects.filter(redrive=run, state=DeadLetterState.REDRIVING, pk__in=intent.batch.letters)
    return taken.exists()


def mark_uncertain(run: Run, number: int, records: int, reason: str) -> None:
    """Mark records of a batch that may be in the destination twice; a person looks and says."""
    marked, is_new = UncertainBatch.objects.get_or_create(
        run=run,
        number=number,
        defaults={
            "workspace_id": run.workspace_id,
            "integration_id": run.deployment.integration_id,
            "records": records,
            "reason": reason,
        },
    )
    if not is_new:
        # Another part of the batch, or the same once more; a person who has judged it must look again.
        UncertainBatch.objects.filter(pk=marked.pk).update(
            records=F("records") + records, sends=F("sends") + 1, verdict="", resolved_at=None, resolved_by=None
        )
    Run.objects.filter(pk=run.pk).update(has_warnings=True)
    tell(
        run, "run.uncertain", f"Batch {number}: {counted(records, 'record')} may have arrived twice.", level="warning",
        data={"batch": number, "records": records},
    )  # fmt: skip


def _rows(refused: Sequence[Refused]) -> list[tuple[int, str, str]]:
    return [(each.row, each.reason, each.code) for each in refused]


def _binding(intent: BatchIntent) -> str:
    return encryption.associated_data(
        workspace=intent.workspace_id, table="batch_intent", row=intent.pk, field="content"
    )


def _to_bytes(records: pa.RecordBatch) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, records.schema) as stream:
        stream.write_batch(records)
    return sink.getvalue().to_pybytes()


def _from_bytes(stored: bytes) -> pa.RecordBatch:
    with pa.ipc.open_stream(stored) as stream:
        return stream.read_next_batch()
