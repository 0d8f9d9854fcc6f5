"""Dead letters: read their record, correct it, send them again in a run of their own, or discard them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import msgspec
from django.db import transaction
from django.utils import timezone

from accounts import audit
from accounts.errors import INPUT_INVALID, STATE_CONFLICT, Conflict, Invalid
from accounts.models import User
from integrations import encryption, events
from integrations.domain.lifecycle import BatchState, DeadLetterState, Trigger
from integrations.models import DeadLetter, Deployment, Run, RunBatch
from integrations.models.dead_letter import REDRIVABLE, in_unsettled_batch
from integrations.services.masking import meant_record
from integrations.services.run_progress import letter_binding
from integrations.services.runs import Begin, start_run

REDRIVE_AT_MOST = 100_000
EDITED_BYTES_AT_MOST = 1024 * 1024


def payload_of(letter: DeadLetter) -> dict[str, Any]:
    """The record of a letter as it was read, or {"raw": text} where it never decoded."""
    return _opened(letter.payload, letter_binding(letter))


def record_of(letter: DeadLetter) -> dict[str, Any]:
    """The record that a redrive takes: as a person corrected it, else as it was read."""
    return _opened(letter.edited, edit_binding(letter)) if letter.edited else payload_of(letter)


def edit(*, letter: DeadLetter, record: Mapping[str, Any], user: User | None) -> DeadLetter:
    """Keep a corrected record beside the one that was read; the same as was read takes the correction back.

    Raises Invalid for what is no record, Conflict where the letter is not open or was corrected meanwhile.
    """
    if not record:
        raise Invalid(INPUT_INVALID, "A record has at least one field.", fields={"record": "Give at least one field."})
    before = record_of(letter)
    record = meant_record(letter, before, record)
    content = msgspec.json.encode(record)
    if len(content) > EDITED_BYTES_AT_MOST:
        raise Invalid(INPUT_INVALID, "The record is too large.", fields={"record": "A record has at most 1 MB."})
    taken_back = letter.is_record and dict(record) == payload_of(letter)
    edited = "" if taken_back else encryption.encrypt(content, bound_to=edit_binding(letter))
    with transaction.atomic():
        changed = DeadLetter.objects.filter(
            pk=letter.pk, state=DeadLetterState.OPEN, edited_at=letter.edited_at
        ).update(edited=edited, edited_by=user, edited_at=timezone.now())
        if not changed:
            raise Conflict(
                STATE_CONFLICT, "The letter is not open any more, or somebody else has just corrected it.",
                what_to_do="Open it again and look at it as it is now.",
            )  # fmt: skip
        if str(letter.pk) in sent_unsettled(letter.integration_id):
            raise Conflict(
                STATE_CONFLICT, "An earlier redrive may have brought the record as it is; a correction could get lost.",
                what_to_do="Redrive it as it is: that finds out. If it is set aside again, correct what it becomes.",
            )  # fmt: skip
        names = sorted(name for name in {*before, *record} if before.get(name) != record.get(name))
        audit.record(
            workspace=letter.workspace, action="dead_letter.edited", object=letter,
            after={"fields": names, "taken_back": taken_back},
        )  # fmt: skip
        events.append(workspace=letter.workspace, topic="dead_letter", object_id=letter.pk, kind="dead_letter.edited")
    letter.refresh_from_db()
    return letter


def sent_unsettled(integration_id: UUID) -> frozenset[str]:
    """The ids of letters that redrives of the integration have prepared and perhaps sent, and nobody knows which."""
    batches = RunBatch.objects.filter(
        run__deployment__integration=integration_id, run__trigger=Trigger.REDRIVE, state=BatchState.PREPARED
    )
    return frozenset(letter for letters in batches.values_list("letters", flat=True) for letter in letters)


def _opened(stored: str, binding: str) -> dict[str, Any]:
    return msgspec.json.decode(encryption.decrypt(stored, bound_to=binding), type=dict[str, Any])


def edit_binding(letter: DeadLetter) -> str:
    """What a correction is bound to."""
    return encryption.associated_data(workspace=letter.workspace_id, table="dead_letter", row=letter.pk, field="edited")


def redrive(*, deployment: Deployment, letter_ids: Sequence[UUID] | None, user: User | None) -> Run:
    """Start a run that maps and writes the integration's open letters again, all or those named."""
    with transaction.atomic():
        # It reads letters, not the stream, so it begins at the first of them and not at the stream's checkpoint.
        run = start_run(deployment=deployment, trigger=Trigger.REDRIVE, user=user, begin=Begin())
        letters = DeadLetter.objects.filter(REDRIVABLE, integration=deployment.integration, state=DeadLetterState.OPEN)
        letters = letters.exclude(in_unsettled_batch())
        if letter_ids is not None:
            letters = letters.filter(pk__in=letter_ids)
        chosen = letters.order_by("id").values_list("id", flat=True)[:REDRIVE_AT_MOST]
        taken = DeadLetter.objects.filter(pk__in=list(chosen), state=DeadLetterState.OPEN).update(
            state=DeadLetterState.REDRIVING, redrive=run
        )
        if not taken:
            raise Conflict(
                STATE_CONFLICT, "None of these dead letters can be redriven.",
                what_to_do="Choose open ones that hold a record; what never decoded can be corrected into one by hand.",
            )  # fmt: skip
        audit.record(workspace=run.workspace, action="dead_letter.redriven", object=run, after={"letters": taken})
    return run


def discard(*, letters: Sequence[DeadLetter], reason: str) -> int:
    """Give up on open letters, with a reason for the audit log; return how many."""
    if not reason.strip():
        raise Invalid(INPUT_INVALID, "Say why.", fields={"reason": "A reason is required; it stands in the audit log."})
    discarded = 0
    with transaction.atomic():
        for letter in letters:
            changed = DeadLetter.objects.filter(pk=letter.pk, state=DeadLetterState.OPEN).update(
                state=DeadLetterState.DISCARDED, resolved_at=timezone.now()
            )
            if changed:
                discarded += 1
                audit.record(
                    workspace=letter.workspace, action="dead_letter.discarded", object=letter, after={"reason": reason}
                )
                events.append(
                    workspace=letter.workspace, topic="dead_letter", object_id=letter.pk, kind="dead_letter.discarded"
                )
    return discarded
