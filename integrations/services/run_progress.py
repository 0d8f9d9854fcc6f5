"""The run's row as the pipeline changes it: prepares and commits batches under the fence, and keeps the lease alive."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from typing import Any, Self
from uuid import UUID

import msgspec
import structlog
from django.conf import settings
from django.db import Error, connection, transaction
from django.db.models import F
from django.db.models.functions import Now

from integrations import encryption
from integrations.connectors.base import Refused, StoredCheckpoint, Writer
from integrations.domain.guarantee import Guarantee, may_double_when_read_again
from integrations.domain.isolation import Isolation, after_commit, holding
from integrations.domain.lifecycle import BatchState, DeadLetterState
from integrations.domain.scope import scope_of
from integrations.domain.words import counted
from integrations.errors import (
    DESTINATION_REGRESSED,
    LEASE_LOST,
    RUN_CANCELLED,
    RUN_PAUSED,
    TIMED_OUT,
    NeedsPerson,
    StopRun,
)
from integrations.faultpoints import reach
from integrations.models import DeadLetter, Deployment, Run, RunBatch
from integrations.models.integration import ReadMode
from integrations.pipeline.ports import Aside, Parcel, Position, PreparedBatch
from integrations.services import intents, leftovers
from integrations.services.claims import Asked, Claim, extend_lease, guarded
from integrations.services.dead_letter_lineage import written_after_a_failure
from integrations.services.masking import key_of
from integrations.services.owners import continued
from integrations.services.partitions import count_in_parent
from integrations.services.repeated import fingerprint, fold
from integrations.services.runs import counts, note_redriven, tell

log = structlog.get_logger(__name__)
SELF_STOP_SHARE = 0.8
# What a commit changes in the run's row.
COUNTED = (
    "cursor", "batches", "read", "written", "set_aside", "filtered", "read_bytes", "progress", "attempt",
    "claims_without_progress", "isolation", "has_warnings", "schema", "seq",
)  # fmt: skip


class Heartbeat:
    """Extends the lease from a thread of its own while a slice works; notices a cancel, and a lease that is lost.

    The worker stops itself when 80 % of a lease have passed without an extension, by the monotonic clock: then nobody
    else can hold the run yet.
    """

    def __init__(self, claim: Claim, asked: Asked) -> None:
        self._claim = claim
        self._stopped = threading.Event()
        self._extended_at = time.monotonic()
        self._lost = False
        self._asked = asked
        self._thread = threading.Thread(target=self._beat, name="heartbeat", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._thread.join()

    def check(self) -> None:
        """Raise StopRun when this worker may not go on."""
        if self._asked.to_cancel:
            raise StopRun(RUN_CANCELLED, "The run was cancelled.")
        if self._asked.to_pause:
            raise StopRun(RUN_PAUSED, "The run was paused.")
        too_old = time.monotonic() - self._extended_at > settings.LEASE_SECONDS * SELF_STOP_SHARE
        if self._lost or too_old:
            raise StopRun(LEASE_LOST, "This worker could not keep its lease on the run.")

    def _beat(self) -> None:
        while not self._stopped.wait(settings.LEASE_SECONDS / 4):
            asked_at = time.monotonic()
            reach("on_heartbeat")
            try:
                self._asked = extend_lease(self._claim)
                self._extended_at = asked_at
            except StopRun:
                self._lost = True
            except Error as error:
                log.warning("lease_not_extended", run=str(self._claim.run_id), reason=str(error))
                # A connection that broke stays broken; the next beat opens a new one.
                connection.close()
        connection.close()


@dataclass(frozen=True)
class Bounds:
    """What the policy says of a run's length and of its batches."""

    run_seconds: float
    batch_records: int


class DatabaseRunLog:
    """`pipeline.ports.RunLog` on the run's rows."""

    def __init__(
        self, run: Run, claim: Claim, heartbeat: Heartbeat, draining: Callable[[], bool], bounds: Bounds
    ) -> None:
        self._run = run
        self._claim = claim
        self._heartbeat = heartbeat
        self._draining = draining
        self._bounds = bounds
        self._has_grown = False
        self._owner, self._guarantee = "", Guarantee.TRANSACTIONAL
        self._prepared: RunBatch | None = None
        self._ends_at = time.monotonic() + settings.SLICE_SECONDS
        self._overdue_at = time.monotonic() + bounds.run_seconds - _seconds_before(run)
        scope = scope_of(run.scope)
        self._moves_cursor = (
            run.version.read_mode == ReadMode.INCREMENTAL
            and run.trigger != "redrive"
            and (scope is None or scope.goes_on)
        )
        # Under a checkpoint of its own, whatever stands there is of the same piece of work.
        self._follows_on = self._moves_cursor or scope is not None

    def hold(self, digest: str, records: int) -> None:
        """Store which batch is in hand, before it is mapped: if the worker dies now, it is the suspect."""
        self._heartbeat.check()
        self._run.isolation = holding(Isolation.from_json(self._run.isolation), digest, records).to_json()
        guarded(self._claim, isolation=self._run.isolation)

    def prepare(self, batch: PreparedBatch, parcel: Parcel | None = None) -> None:
        """Store a batch's counts, dead letters and parcel before it is sent; one prepared before is replaced."""
        self._heartbeat.check()
        letters = [self._letter(batch.number, aside) for aside in batch.aside]
        with transaction.atomic():
            self._guard()
            if self._prepared is not None and self._prepared.number == batch.number:
                self._forget(self._prepared)
            self._prepared = RunBatch.objects.create(
                run=self._run,
                number=batch.number,
                cursor=batch.cursor,
                read=batch.read,
                written=batch.written,
                set_aside=len(batch.aside),
                filtered=batch.filtered,
                read_bytes=batch.read_bytes,
                progress=batch.progress,
                letters=self._redriven_by(batch),
                filtered_letters=list(batch.filtered_origins) or None,
            )
            DeadLetter.objects.bulk_create(letters, batch_size=500)
            if parcel is not None:
                intents.store(
                    self._prepared, parcel, owner=self._owner, guarantee=self._guarantee, after=self._run.cursor
                )
        reach("after_prepare")

    def sending(self, number: int, part: int, refused: Sequence[Refused]) -> None:
        """Say that a part is sent next; where a second send would be stored twice, that is stored first."""
        self._heartbeat.check()
        if self._guarantee is Guarantee.APPEND_ONLY:
            with transaction.atomic():
                self._guard()
                intents.begin_part(self._run, number, part, refused)

    def interrupted(self, number: int, done: int, refused: Sequence[Refused], *, may_have_arrived: bool) -> None:
        """Store how far a delivery came; one that came further than before has used no attempt."""
        with transaction.atomic():
            has_moved = intents.note_progress(self._run, number, done, refused, may_have_arrived=may_have_arrived)
            self._guard(**({"attempt": 0, "claims_without_progress": 0} if has_moved else {}))

    def commit(self, number: int, refused: tuple[Aside, ...] = ()) -> None:
        """Count a batch that the destination has, set aside what it refused, and move the cursor."""
        letters = [self._letter(number, aside) for aside in refused]
        with transaction.atomic():
            batch = self._prepared_batch(number)
            batch.written -= len(letters)
            batch.set_aside += len(letters)
            self._guard(
                cursor=batch.cursor,
                batches=number,
                read=F("read") + batch.read,
                written=F("written") + batch.written,
                set_aside=F("set_aside") + batch.set_aside,
                filtered=F("filtered") + batch.filtered,
                read_bytes=F("read_bytes") + batch.read_bytes,
                progress=batch.progress,
                attempt=0,
                claims_without_progress=0,
                isolation=self._isolation_after(batch),
            )
            RunBatch.objects.filter(pk=batch.pk).update(
                state=BatchState.COMMITTED, committed_at=Now(), written=batch.written, set_aside=batch.set_aside
            )
            DeadLetter.objects.bulk_create(letters, batch_size=500)
            if self._moves_cursor:
                Deployment.objects.filter(pk=self._run.deployment_id).update(cursor=batch.cursor, cursor_at=Now())
            note_redriven(batch)
            self._mark_doubtful(batch)
            if batch.set_aside:
                fold(self._run, number)
            if self._guarantee is not Guarantee.TRANSACTIONAL:
                intents.drop(batch)
            self._run.refresh_from_db(fields=COUNTED)
            parts = f"{batch.written:,} written, {batch.set_aside:,} set aside, {batch.filtered:,} filtered"
            tell(self._run, "run.progress", f"Batch {number}: {parts}.", data={"batch": number, **counts(self._run)})
            count_in_parent(self._run, batch)
            reach("before_commit")
        reach("after_commit")

    def _mark_doubtful(self, batch: RunBatch) -> None:
        """Mark the letters of a redrive's batch that its destination may have stored before, and now has again."""
        doubles = batch.letters and may_double_when_read_again(self._guarantee)
        if doubles and (records := written_after_a_failure(batch.letters)):
            intents.mark_uncertain(self._run, batch.number, records, intents.AFTER_A_FAILURE)

    def should_yield(self) -> bool:
        """Say whether the slice's time is over or the worker drains. Raises StopRun; NeedsPerson past the limit."""
        self._heartbeat.check()
        if time.monotonic() > self._overdue_at:
            raise NeedsPerson(
                TIMED_OUT,
                f"The run has taken longer than {self._bounds.run_seconds:.0f} s.",
                what_to_do="Raise “Whole run” in the policy, then continue this run from its checkpoint.",
                rule="timeout.run_seconds",
            )
        return time.monotonic() > self._ends_at or self._has_grown or self._draining()

    def keep_out(self, former: Writer, owner: str) -> None:
        """Bring this run's fence to the checkpoint of an earlier run, and settle what that left there."""
        stored = former.checkpoint()
        if former.guarantee is Guarantee.TRANSACTIONAL:
            with transaction.atomic():
                self._guard()
                leftovers.settle(self._run, owner, stored)

    def position(self, writer: Writer, owner: str) -> Position:
        """Where this slice begins. What the destination remembers decides over what is stored here.

        A remote one remembers nothing: then a batch that was stored, by this run or one that it follows, goes first.
        """
        self._owner, self._guarantee = owner, writer.guarantee
        stored = writer.checkpoint()
        return self._position_there(stored) if self._guarantee is Guarantee.TRANSACTIONAL else self._position_here()

    def _position_here(self) -> Position:
        with transaction.atomic():
            self._guard()
            self._close_what_is_left()
            pending = intents.pending_of(self._run) or intents.take_over(self._run, self._owner)
            if pending is None:
                self._forget_after(self._run.batches)
        if pending is None:
            return Position(self._run.batches, self._run.cursor)
        return Position(pending.batch.number, pending.batch.cursor, intents.parcel_of(pending))

    def _position_there(self, stored: StoredCheckpoint | None) -> Position:
        if stored is None or stored.run != str(self._run.pk):
            return self._position_of_new_run(stored)
        if stored.batch_number < self._run.batches:
            raise NeedsPerson(
                DESTINATION_REGRESSED,
                f"The destination remembers batch {stored.batch_number}, but batch {self._run.batches} was committed.",
            )
        if stored.batch_number > self._run.batches:
            self.commit(stored.batch_number)
        with transaction.atomic():
            self._guard()
            self._forget_after(stored.batch_number)
        return Position(stored.batch_number, stored.cursor)

    def _position_of_new_run(self, stored: StoredCheckpoint | None) -> Position:
        if self._run.batches:
            known = counted(self._run.batches, "batch", "batches")
            raise NeedsPerson(DESTINATION_REGRESSED, f"The destination has forgotten {known} of this run.")
        with transaction.atomic():
            self._guard()
            self._forget_after(0)
            leftovers.settle(self._run, self._owner, stored)
            self._close_what_is_left()
        # Whoever wrote last of all that this run continues: one in between may have ended before its first batch.
        follows_on = stored is not None and (self._follows_on or stored.run in map(str, continued(self._run)))
        return Position(0, stored.cursor if stored and follows_on else self._run.start_cursor)

    def _close_what_is_left(self) -> None:
        if not self._run.batches:
            leftovers.close(self._run)

    def _guard(self, **changes: object) -> None:
        guarded(self._claim, lease_until=Now() + timedelta(seconds=settings.LEASE_SECONDS), **changes)

    def _isolation_after(self, batch: RunBatch) -> dict[str, Any] | None:
        before = Isolation.from_json(self._run.isolation)
        read = self._run.read + batch.read
        after = after_commit(before, read=read, batch_records=self._bounds.batch_records)
        # The next slice reads larger batches.
        self._has_grown = after.records != before.records
        return after.to_json()

    def _prepared_batch(self, number: int) -> RunBatch:
        mine = self._prepared
        return mine if mine and mine.number == number else RunBatch.objects.get(run=self._run, number=number)

    def _forget(self, batch: RunBatch) -> None:
        batch.delete()
        DeadLetter.objects.filter(run=self._run, batch_number=batch.number).delete()

    def _forget_after(self, number: int) -> None:
        """Forget, in a guarded transaction, what an earlier slice prepared; before the first claim there was none."""
        if self._run.claims > 1:
            RunBatch.objects.filter(run=self._run, number__gt=number).delete()
            DeadLetter.objects.filter(run=self._run, batch_number__gt=number).delete()

    def _redriven_by(self, batch: PreparedBatch) -> list[str]:
        """The letters that a batch of a redrive sends."""
        if self._run.trigger != "redrive":
            return []
        letters = DeadLetter.objects.filter(
            redrive=self._run, state=DeadLetterState.REDRIVING, id__lte=batch.cursor["after"]
        )
        return [str(letter) for letter in letters.values_list("id", flat=True)]

    def _letter(self, number: int, aside: Aside) -> DeadLetter:
        letter = DeadLetter(
            workspace_id=self._run.workspace_id,
            integration_id=self._run.deployment.integration_id,
            run=self._run,
            batch_number=number,
            code=aside.code,
            field=aside.field[:120],
            reason=aside.reason[:500],
            is_record=aside.is_record,
            origin_id=UUID(aside.origin) if aside.origin else None,
        )
        payload = msgspec.json.encode(aside.payload, enc_hook=str)
        letter.fingerprint = fingerprint(payload, letter.code, letter.field, key=self._key)
        letter.payload = encryption.encrypt(payload, bound_to=letter_binding(letter))
        return letter

    @cached_property
    def _key(self) -> bytes:
        """What the fingerprints of letters are made with; asked for where a letter is."""
        return key_of(self._run.workspace)


def _seconds_before(run: Run) -> float:
    """How long the run has taken until this slice was claimed, both told by the database's clock."""
    return (run.claimed_at - run.started_at).total_seconds() if run.claimed_at and run.started_at else 0.0


def letter_binding(letter: DeadLetter) -> str:
    """What a dead letter's payload is bound to."""
    return encryption.associated_data(
        workspace=letter.workspace_id, table="dead_letter", row=letter.pk, field="payload"
    )
