"""Corrects many dead letters of one integration at once: shown before it is kept, kept whole, audited as one change."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
import pyarrow as pa
from django.db import connection, transaction
from django.db.models import DateTimeField, QuerySet, UUIDField
from django.utils import timezone

from accounts import audit
from accounts.errors import STATE_CONFLICT, Conflict
from accounts.models import User
from integrations import encryption, events
from integrations.domain.lifecycle import DeadLetterState
from integrations.models import DeadLetter, Integration, IntegrationVersion
from integrations.models.dead_letter import REDRIVABLE, standing_twice
from integrations.services.dead_letter_changes import Corrected, Corrector, Setting
from integrations.services.dead_letter_trial import FILTERED, SET_ASIDE, WRITTEN, Tried, try_records
from integrations.services.dead_letters import edit_binding, payload_of, sent_unsettled
from integrations.services.masking import Sight, sight_of
from integrations.services.redriven import schema_of

CORRECTED_AT_MOST = 10_000
SHOWN_AT_MOST = 10
_AT_ONCE = 1_000
_WRITE = "UPDATE integrations_deadletter SET edited = %s, edited_by_id = %s, edited_at = %s WHERE id = %s"
_HIDDEN = "[hidden: a policy masks this field]"


@dataclass(frozen=True)
class Shown:
    """One letter before and after, as people may see it, and what the mapping would make of it then."""

    letter: DeadLetter
    before: dict[str, Any]
    after: dict[str, Any]
    is_changed: bool
    problem: str
    tried: Tried

    def to_json(self) -> dict[str, Any]:
        """Plain values for the API."""
        return {
            "id": self.letter.pk, "before": self.before, "after": self.after, "problem": self.problem,
            "verdict": self.tried.verdict, "reason": self.tried.reason,
        }  # fmt: skip


@dataclass(frozen=True)
class Preview:
    """`chosen = changed + unchanged + failed`; a redrive would then do `chosen = written + set_aside + filtered`.

    `failed` are letters of which an expression made nothing; they stay as they are. `left_out` are beyond the most.
    """

    version: int
    chosen: int
    left_out: int
    changed: int
    unchanged: int
    failed: int
    written: int
    set_aside: int
    filtered: int
    reasons: tuple[tuple[str, str, int], ...]
    rows: tuple[Shown, ...]

    def to_json(self) -> dict[str, Any]:
        """Plain values for the API, the first records among them as people may see them."""
        plain = asdict(replace(self, rows=()))
        plain["reasons"] = [{"code": code, "field": field, "count": count} for code, field, count in self.reasons]
        return {**plain, "rows": [row.to_json() for row in self.rows]}


@dataclass(frozen=True)
class Applied:
    """What became of the chosen letters; `conflicts` were resolved, corrected or sent by somebody else meanwhile."""

    letters: tuple[UUID, ...]
    unchanged: int
    failed: int
    conflicts: int


@dataclass(frozen=True)
class _Chosen:
    """The letters of a correction by id, and what is the same for all of them."""

    ids: tuple[UUID, ...]
    left_out: int
    schema: pa.Schema
    sight: Sight

    def corrected(self, settings: Sequence[Setting]) -> Iterator[list[Corrected]]:
        """The letters with their records before and after, some at a time, so that few are in memory."""
        with Corrector(self.schema, settings, self.sight) as corrector:
            for first in range(0, len(self.ids), _AT_ONCE):
                some = DeadLetter.objects.filter(pk__in=self.ids[first : first + _AT_ONCE]).order_by("id")
                if found := list(some.select_related("workspace")):
                    yield corrector.correct(found)


def preview(*, letters: QuerySet[DeadLetter], settings: Sequence[Setting], version: IntegrationVersion) -> Preview:
    """Say what the settings would make of the letters, of one integration, and of them a redrive by the version.

    Raises Conflict where no letter holds a record, Invalid for settings that cannot be used, NeedsPerson for a mapping.
    """
    chosen = _chosen(letters)
    kinds: Counter[str] = Counter()
    verdicts: Counter[str] = Counter()
    reasons: Counter[tuple[str, str]] = Counter()
    rows: list[Shown] = []
    for some in chosen.corrected(settings):
        tried = try_records([(each.letter, each.after) for each in some], version, chosen.schema)
        kinds.update(_kind(each) for each in some)
        verdicts.update(each.verdict for each in tried)
        reasons.update((each.code, each.field) for each in tried if each.verdict == SET_ASIDE)
        if not rows:
            both = list(zip(some, tried, strict=True))[:SHOWN_AT_MOST]
            rows = [_shown(each, then, chosen.sight) for each, then in both]
    return Preview(
        version.number, len(chosen.ids), chosen.left_out,
        kinds["changed"], kinds["unchanged"], kinds["failed"],
        verdicts[WRITTEN], verdicts[SET_ASIDE], verdicts[FILTERED],
        tuple((code, field, count) for (code, field), count in reasons.most_common()), tuple(rows),
    )  # fmt: skip


def apply(
    *, integration: Integration, letters: QuerySet[DeadLetter], settings: Sequence[Setting], user: User | None
) -> Applied:
    """Keep what the settings make of the letters beside what was read, in one change; return what became of them.

    A letter that was resolved, corrected or sent meanwhile is a conflict and stays as it is. Raises as `preview` does.
    """
    chosen = _chosen(letters)
    kinds: Counter[str] = Counter()
    made: list[DeadLetter] = []
    for some in chosen.corrected(settings):
        kinds.update(_kind(each) for each in some)
        made += [_edited(each) for each in some if each.is_changed]
    with transaction.atomic():
        kept = _store(made, integration, user)
        applied = Applied(kept, kinds["unchanged"], kinds["failed"], len(made) - len(kept))
        if kept:
            _note(integration, settings, applied, chosen.sight)
    return applied


def _chosen(letters: QuerySet[DeadLetter]) -> _Chosen:
    rows = letters.filter(REDRIVABLE, state=DeadLetterState.OPEN).exclude(standing_twice())
    ids = tuple(rows.order_by("id").values_list("id", flat=True)[:CORRECTED_AT_MOST])
    if not ids:
        raise Conflict(
            STATE_CONFLICT,
            "None of these dead letters is open and holds a record.",
            what_to_do="Choose others, or correct one into a record by hand.",
        )
    first = DeadLetter.objects.select_related("workspace").get(pk=ids[0])
    left_out = rows.count() - len(ids)
    return _Chosen(ids, left_out, schema_of(DeadLetter.objects.filter(pk__in=ids)), sight_of(first))


def _kind(corrected: Corrected) -> str:
    if corrected.problem:
        return "failed"
    return "changed" if corrected.is_changed else "unchanged"


def _shown(corrected: Corrected, tried: Tried, sight: Sight) -> Shown:
    letter = corrected.letter
    before, after = (sight.shown(letter, record) for record in (corrected.before, corrected.after))
    return Shown(letter, before, after, corrected.is_changed, corrected.problem, tried)


def _edited(corrected: Corrected) -> DeadLetter:
    """The letter as it is to be stored; back to what was read takes an earlier correction back."""
    letter = corrected.letter
    taken_back = letter.is_record and corrected.after == payload_of(letter)
    content = msgspec.json.encode(corrected.after)
    letter.edited = "" if taken_back else encryption.encrypt(content, bound_to=edit_binding(letter))
    letter.payload = ""  # not stored again, and many are in memory at once
    return letter


def _store(made: Sequence[DeadLetter], integration: Integration, user: User | None) -> tuple[UUID, ...]:
    """Store the corrections of letters that are still as they were looked at; the ids of those."""
    now = timezone.now()
    kept: list[DeadLetter] = []
    for first in range(0, len(made), _AT_ONCE):
        some = made[first : first + _AT_ONCE]
        rows = DeadLetter.objects.select_for_update().filter(
            pk__in=[letter.pk for letter in some], state=DeadLetterState.OPEN
        )
        as_seen = dict(rows.order_by("id").values_list("id", "edited_at"))
        kept += [letter for letter in some if as_seen.get(letter.pk, now) == letter.edited_at]
    unsettled = sent_unsettled(integration.pk)
    kept = [letter for letter in kept if str(letter.pk) not in unsettled]
    _write(kept, user, now)
    return tuple(letter.pk for letter in kept)


def _write(kept: Sequence[DeadLetter], user: User | None, now: datetime) -> None:
    """Each letter has a text of its own: as one prepared statement ten thousand take a second, else twenty."""
    user_id = _stored_id(user.pk) if user else None
    at = DateTimeField().get_db_prep_value(now, connection)
    with connection.cursor() as cursor:
        cursor.executemany(_WRITE, [(letter.edited, user_id, at, _stored_id(letter.pk)) for letter in kept])


def _stored_id(value: UUID) -> Any:  # the database's own form: text, or a UUID
    return UUIDField().get_db_prep_value(value, connection)


def _note(integration: Integration, settings: Sequence[Setting], applied: Applied, sight: Sight) -> None:
    """One entry for the whole; what it changed are the letters that were corrected at its time by its actor."""
    set_to = [
        f"{each.field} = {_HIDDEN if each.field.casefold() in sight.masks else each.expression}" for each in settings
    ]
    audit.record(
        workspace=integration.workspace, action="dead_letter.edited_in_bulk", object=integration,
        after={
            "set": set_to, "letters": len(applied.letters), "unchanged": applied.unchanged, "failed": applied.failed,
            "conflicts": applied.conflicts, "first": str(applied.letters[0]), "last": str(applied.letters[-1]),
        },
    )  # fmt: skip
    events.append(
        workspace=integration.workspace,
        topic="dead_letter",
        object_id=integration.pk,
        kind="dead_letter.edited_in_bulk",
    )
