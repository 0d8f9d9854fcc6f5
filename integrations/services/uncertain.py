"""Batches that may have arrived twice: a person looks at the destination and says what was found."""

from __future__ import annotations

from django.db import transaction
from django.db.models.functions import Now

from accounts import audit
from accounts.errors import INPUT_INVALID, STATE_CONFLICT, Conflict, Invalid
from accounts.models import User
from integrations.domain.guarantee import Verdict
from integrations.models import UncertainBatch
from integrations.services.runs import tell

WORDS: dict[Verdict, str] = {
    Verdict.ONCE: "It arrived once",
    Verdict.TWICE: "It arrived twice",
    Verdict.CLEANED_UP: "It arrived twice, and the doubles are removed",
}


def resolve(*, batch: UncertainBatch, verdict: Verdict, note: str, user: User | None) -> UncertainBatch:
    """Write down what was found. Raises Invalid without a note, Conflict where somebody was quicker."""
    if not note.strip():
        raise Invalid(INPUT_INVALID, "Say what you found.", fields={"note": "A note is required; it is audited."})
    with transaction.atomic():
        changed = UncertainBatch.objects.filter(pk=batch.pk, verdict="", sends=batch.sends).update(
            verdict=verdict, note=note.strip(), resolved_by=user, resolved_at=Now()
        )
        if not changed:
            raise Conflict(
                STATE_CONFLICT, "This batch was judged, or sent again, in the meantime.",
                what_to_do="Open it again and look at it as it is now.",
            )  # fmt: skip
        audit.record(
            workspace=batch.workspace, action="uncertain_batch.resolved", object=batch,
            after={"run": str(batch.run_id), "batch": batch.number, "verdict": verdict.value, "note": note.strip()},
        )  # fmt: skip
        tell(
            batch.run, "run.uncertain_resolved", f"Batch {batch.number}: {WORDS[verdict].lower()}.",
            data={"batch": batch.number, "verdict": verdict.value},
        )  # fmt: skip
    batch.refresh_from_db()
    return batch
