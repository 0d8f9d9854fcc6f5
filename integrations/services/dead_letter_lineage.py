"""The letters of one record: set aside, sent again, set aside again, each with its reason."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import OuterRef, QuerySet, Subquery

from integrations.domain.lifecycle import Outcome
from integrations.errors import RECORD_FAILED
from integrations.models import DeadLetter

STEPS_AT_MOST = 50


@dataclass(frozen=True)
class Lineage:
    """The letters of a record, the oldest first, `letter` among them.

    `is_cut` says that older ones are gone: by retention, or because there are more than are followed.
    """

    letter: DeadLetter
    letters: tuple[DeadLetter, ...]
    is_cut: bool

    @property
    def before(self) -> DeadLetter | None:
        """The letter that this one came from, where it is still there."""
        place = self.letters.index(self.letter)
        return self.letters[place - 1] if place else None

    @property
    def after(self) -> DeadLetter | None:
        """The letter that became of this one."""
        place = self.letters.index(self.letter) + 1
        return self.letters[place] if place < len(self.letters) else None

    def to_json(self) -> list[dict[str, Any]]:
        """Plain values for the API, without records."""
        return [_step(letter) for letter in self.letters]


def with_successor(letters: QuerySet[DeadLetter]) -> QuerySet[DeadLetter]:
    """Letters with `became`, the id of the letter that each was set aside again as."""
    settled = DeadLetter.objects.filter(origin=OuterRef("pk"), run=OuterRef("redrive"))
    return letters.annotate(became=Subquery(settled.values("pk")[:1]))


def lineage_of(letter: DeadLetter) -> Lineage:
    """Follow a record back to where it was set aside first, and on to what became of it."""
    earlier: list[DeadLetter] = []
    oldest: DeadLetter | None = letter
    while oldest is not None and oldest.origin_id and len(earlier) < STEPS_AT_MOST:
        oldest = _letters(letter).filter(pk=oldest.origin_id).first()
        if oldest is not None:
            earlier.insert(0, oldest)
    later: list[DeadLetter] = []
    newest: DeadLetter | None = letter
    while newest is not None and newest.outcome == Outcome.SET_ASIDE and len(later) < STEPS_AT_MOST:
        newest = _letters(letter).filter(origin=newest.pk, run=newest.redrive_id).first()
        if newest is not None:
            later.append(newest)
    first = earlier[0] if earlier else letter
    return Lineage(letter, (*earlier, letter, *later), is_cut=first.origin_id is not None)


def written_after_a_failure(letter_ids: Sequence[str]) -> int:
    """How many of these letters a redrive has written, though the destination may have stored them when it failed.

    That failure may be the letter's own, or that of one that it came from.
    """
    sent = DeadLetter.objects.filter(pk__in=letter_ids, outcome=Outcome.WRITTEN)
    left = {pk: pk for pk in sent.values_list("pk", flat=True)}
    doubtful = 0
    for _ in range(STEPS_AT_MOST):
        rows = DeadLetter.objects.filter(pk__in=left.values()).values_list("pk", "code", "origin")
        seen = {pk: (code, origin) for pk, code, origin in rows}
        steps = {letter: seen[pk] for letter, pk in left.items() if pk in seen}
        doubtful += sum(code == RECORD_FAILED for code, _ in steps.values())
        left = {letter: origin for letter, (code, origin) in steps.items() if origin and code != RECORD_FAILED}
        if not left:
            break
    return doubtful


def _letters(letter: DeadLetter) -> QuerySet[DeadLetter]:
    return DeadLetter.objects.filter(workspace=letter.workspace_id).defer("payload", "edited")


def _step(letter: DeadLetter) -> dict[str, Any]:
    return {
        "id": letter.pk,
        "run": letter.run_id,
        "state": letter.state,
        "code": letter.code,
        "field": letter.field,
        "reason": letter.reason,
        "created_at": letter.created_at,
        "redrive": letter.redrive_id,
        "outcome": letter.outcome,
        "resolved_at": letter.resolved_at,
    }
