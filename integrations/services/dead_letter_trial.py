"""Tries what a redrive of dead letters would do: the mapping is applied, nothing is sent and nothing is changed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import count
from typing import Any

import pyarrow as pa
from django.db.models import QuerySet

from accounts.errors import STATE_CONFLICT, Conflict, SignalboxError
from integrations.connectors.base import BadRecord
from integrations.domain.mapping import Mapping
from integrations.models import DeadLetter, IntegrationVersion
from integrations.models.dead_letter import REDRIVABLE
from integrations.pipeline.mapper import Mapped, Mapper
from integrations.pipeline.masking import Veil
from integrations.pipeline.preview import plain
from integrations.services.dead_letters import record_of
from integrations.services.masking import meant_record, veil_of
from integrations.services.redriven import rows_to_batch, schema_of

TRIED_AT_MOST = 5_000
SHOWN_AT_MOST = 20
WRITTEN, SET_ASIDE, FILTERED = "written", "set aside", "filtered"


@dataclass(frozen=True)
class Tried:
    """What would become of one letter's record: `output` as the mapping makes it, or the field and the reason."""

    letter: DeadLetter
    record: dict[str, Any]
    verdict: str
    output: dict[str, Any]
    code: str = ""
    field: str = ""
    reason: str = ""

    @property
    def pairs(self) -> list[tuple[str, Any]]:
        """The output for a template, which would take a field called "items" for a method."""
        return list(self.output.items())

    @property
    def read(self) -> list[tuple[str, Any]]:
        """The record, likewise."""
        return list(self.record.items())


@dataclass(frozen=True)
class Trial:
    """The verdicts counted (`tried = written + set_aside + filtered`), the reasons, and the first records."""

    version: int
    tried: int
    written: int
    set_aside: int
    filtered: int
    reasons: tuple[tuple[str, str, int], ...]
    rows: tuple[Tried, ...]

    def to_json(self) -> dict[str, Any]:
        """Plain values for the API; no record, only letters by id."""
        rows = [
            {"id": row.letter.pk, "verdict": row.verdict, "code": row.code, "field": row.field, "reason": row.reason}
            for row in self.rows
        ]
        reasons = [{"code": code, "field": field, "count": count} for code, field, count in self.reasons]
        counts = {"tried": self.tried, "written": self.written, "set_aside": self.set_aside, "filtered": self.filtered}
        return {"version": self.version, **counts, "reasons": reasons, "rows": rows}


def try_redrive(*, letters: QuerySet[DeadLetter], version: IntegrationVersion) -> Trial:
    """Map the letters, of one integration, by a version. Raises Conflict where none of them holds a record."""
    chosen = list(letters.filter(REDRIVABLE).order_by("id")[:TRIED_AT_MOST])
    if not chosen:
        raise Conflict(
            STATE_CONFLICT,
            "None of these dead letters holds a record.",
            what_to_do="Choose others, or correct one into a record by hand.",
        )
    tried = try_records([(letter, record_of(letter)) for letter in chosen], version)
    counts = Counter(row.verdict for row in tried)
    reasons = Counter((row.code, row.field) for row in tried if row.verdict == SET_ASIDE)
    return Trial(
        version.number,
        len(tried),
        counts[WRITTEN],
        counts[SET_ASIDE],
        counts[FILTERED],
        tuple((code, field, count) for (code, field), count in reasons.most_common()),
        tuple(tried[:SHOWN_AT_MOST]),
    )


def try_records(
    records: Sequence[tuple[DeadLetter, dict[str, Any]]], version: IntegrationVersion, schema: pa.Schema | None = None
) -> list[Tried]:
    """What the version's mapping makes of each record, in order; a record need not be the letter's own."""
    schema = schema or schema_of(DeadLetter.objects.filter(pk__in=[letter.pk for letter, _ in records]))
    veil = veil_of(records[0][0], version, schema)
    batch, bad = rows_to_batch([record for _, record in records], schema, [str(letter.pk) for letter, _ in records])
    unfit = {each.origin: each for each in bad}
    with Mapper(Mapping.from_json(version.mapping), schema) as mapper:
        verdicts = _verdicts(mapper.map(batch))
    places = count()
    tried = [
        _unfit(letter, record, unfit[str(letter.pk)])
        if str(letter.pk) in unfit
        else Tried(letter, record, **verdicts.get(next(places), {"verdict": FILTERED, "output": {}}))
        for letter, record in records
    ]
    return [_veiled(each, veil) for each in tried] if veil else tried


def _veiled(tried: Tried, veil: Veil) -> Tried:
    return replace(
        tried,
        record=veil.record(tried.record),
        output=veil.output(tried.output),
        # Without a field the reason is about the whole record, and may quote it.
        reason=veil.reason(tried.field, tried.reason) if tried.field else "The record does not fit; a policy masks it.",
    )


def try_one(*, letter: DeadLetter, record: dict[str, Any], version: IntegrationVersion) -> Tried:
    """What would become of a letter with this record; a version that cannot be used at all is a reason too."""
    try:
        return try_records([(letter, meant_record(letter, record_of(letter), record))], version)[0]
    except SignalboxError as error:
        return Tried(letter, record, SET_ASIDE, {}, error.code, "", error.message)


def _verdicts(mapped: Mapped) -> dict[int | None, dict[str, Any]]:
    """By the row of the tried batch: what was accepted and rejected; the others were filtered."""
    accepted = mapped.accepted.to_pylist()
    found: dict[int | None, dict[str, Any]] = {
        row: {"verdict": WRITTEN, "output": {name: plain(value) for name, value in accepted[place].items()}}
        for place, row in enumerate(mapped.accepted_rows.to_pylist())
    }
    for item in mapped.rejected:
        found[item.row] = {
            "verdict": SET_ASIDE, "output": {}, "code": item.code, "field": item.field, "reason": item.reason,
        }  # fmt: skip
    return found


def _unfit(letter: DeadLetter, record: dict[str, Any], bad: BadRecord) -> Tried:
    return Tried(letter, record, SET_ASIDE, {}, bad.code, "", bad.reason)
