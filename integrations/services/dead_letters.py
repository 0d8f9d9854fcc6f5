"""Dead letters: read their payload, send them again in a run of their own, or discard them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import msgspec
from django.db import transaction
from django.utils import timezone

from accounts import audit
from accounts.errors import INPUT_INVALID, STATE_CONFLICT, Conflict, Invalid
from accounts.models import User
from integrations import encryption, events
from integrations.domain.lifecycle import DeadLetterState, Trigger
from integrations.models import DeadLetter, Deployment, Run
from integrations.services.run_progress import letter_binding
from integrations.services.runs import start_run

REDRIVE_AT_MOST = 100_000


def payload_of(letter: DeadLetter) -> dict[str, Any]:
    """The record of a letter, or {"raw": text} where it never decoded."""
    return msgspec.json.decode(encryption.decrypt(letter.payload, bound_to=letter_binding(letter)), type=dict[str, Any])


def redrive(*, deployment: Deployment, letter_ids: Sequence[UUID] | None, user: User | None) -> Run:
    """Start a run that maps and writes the integration's open letters again, all or those named."""
    with transaction.atomic():
        run = start_run(deployment=deployment, trigger=Trigger.REDRIVE, user=user)
        letters = DeadLetter.objects.filter(
            integration=deployment.integration, state=DeadLetterState.OPEN, is_record=True
        )
        if letter_ids is not None:
            letters = letters.filter(pk__in=letter_ids)
        chosen = letters.order_by("id").values_list("id", flat=True)[:REDRIVE_AT_MOST]
        taken = DeadLetter.objects.filter(pk__in=list(chosen), state=DeadLetterState.OPEN).update(
            state=DeadLetterState.REDRIVING, redrive=run
        )
        if not taken:
            raise Conflict(
                STATE_CONFLICT, "None of these dead letters can be redriven.",
                what_to_do="Choose open ones that hold a record; what never decoded is mended at its source.",
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
