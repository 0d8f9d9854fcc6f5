"""A record that run after run sets aside: it stays one open letter, which says how often it was seen and when last.

Each run keeps a row for each record that it set aside, so its counts and its list are whole. Where an earlier run's
letter of the same record, for the same reason, is still open, the new one is *repeated*: it is not open, so that a
redrive sends the record once. One open letter takes one sighting of a run; of two equal records both stay open.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from hashlib import blake2b
from uuid import UUID

from django.db.models import F
from django.db.models.functions import Now

from integrations.domain.lifecycle import DeadLetterState, Trigger
from integrations.models import DeadLetter, Run
from integrations.models.dead_letter import in_unsettled_batch

_AT_ONCE = 500
# Of a record that stands there very often; what finds none of these stays open.
_LOOKED_AT = 2_000


def fingerprint(payload: bytes, code: str, field: str, *, key: bytes) -> str:
    """What is the same of a record that is set aside again for the same reason; without the key it tells nothing."""
    digest = blake2b(payload, key=key, digest_size=16, person=b"dead letter")
    digest.update(f"\0{code}\0{field}".encode())
    return digest.hexdigest()


def fold(run: Run, number: int) -> None:
    """Fold the letters of a batch into open ones of earlier runs, in the transaction that commits the batch.

    A redrive's letters stand for those that it sent; they are left as they are.
    """
    if run.trigger == Trigger.REDRIVE:
        return
    rows = DeadLetter.objects.filter(run=run, batch_number=number, state=DeadLetterState.OPEN).exclude(fingerprint="")
    mine = list(rows.order_by("id").values_list("id", "fingerprint"))
    for first in range(0, len(mine), _AT_ONCE):
        _fold(run, mine[first : first + _AT_ONCE])


def standing_for(letter: DeadLetter) -> UUID | None:
    """The letter in which the record of a repeated one stands, open or settled by now; None for any other letter."""
    if letter.state != DeadLetterState.REPEATED:
        return None
    same = DeadLetter.objects.filter(
        integration=letter.integration_id, fingerprint=letter.fingerprint, run__deployment=letter.run.deployment_id
    )
    found: UUID | None = (
        same.exclude(state=DeadLetterState.REPEATED).order_by("-id").values_list("pk", flat=True).first()
    )
    return found


def _fold(run: Run, mine: Sequence[tuple[UUID, str]]) -> None:
    seen = run.parent_id or run.pk
    open_before = defaultdict(list)
    for letter, found in _open_before(run, seen, {each for _, each in mine}):
        open_before[found].append(letter)
    pairs = [(letter, open_before[found].pop(0)) for letter, found in mine if open_before[found]]
    if pairs:
        old = DeadLetter.objects.filter(pk__in=[before for _, before in pairs])
        old.update(seen_count=F("seen_count") + 1, last_run=seen)
        new = DeadLetter.objects.filter(pk__in=[letter for letter, _ in pairs])
        new.update(state=DeadLetterState.REPEATED, resolved_at=Now())


def _open_before(run: Run, seen: UUID, fingerprints: Collection[str]) -> list[tuple[UUID, str]]:
    """Open letters of earlier runs that this run has not seen yet, locked.

    One that somebody is just about to correct, discard or redrive is left out: then the new letter stays open too.
    """
    earlier = (
        DeadLetter.objects.filter(
            integration=run.deployment.integration_id,
            run__deployment=run.deployment_id,
            state=DeadLetterState.OPEN,
            fingerprint__in=fingerprints,
        )
        .exclude(run=seen)
        .exclude(run__parent=seen)
        .exclude(last_run=seen)
        .exclude(in_unsettled_batch())
    )
    locked = DeadLetter.objects.select_for_update(skip_locked=True).filter(
        pk__in=list(earlier.order_by("id").values_list("pk", flat=True)[:_LOOKED_AT]), state=DeadLetterState.OPEN
    )
    return list(locked.order_by("id").values_list("id", "fingerprint"))
