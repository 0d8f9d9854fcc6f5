"""Tries a mapping for the editor: what stands at each row, and what became of each sample record."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from accounts.errors import SignalboxError
from integrations.domain.mapping import check_mapping
from integrations.errors import RetryLater
from integrations.forms.integration_rules import RuleRow, filled
from integrations.models import Connector
from integrations.pipeline.preview import PreviewRow
from integrations.services import preview as previews
from integrations.views.integrations_notes import Note, Sheet, add_problems, sheet_of, tried_mapping

SAMPLES = 10
OPEN_AT_MOST = 3


@dataclass(frozen=True)
class Cell:
    """One value of a record, as text; `error` says why there is none."""

    name: str
    text: str
    is_null: bool = False
    error: str = ""


@dataclass(frozen=True)
class Record:
    """One sample record: what went in, what came out, and the verdict."""

    number: int
    verdict: str
    inputs: list[Cell]
    outputs: list[Cell]
    filter_error: str
    is_open: bool


@dataclass(frozen=True)
class Trial:
    """The preview: the notes for the rows, the records, and what kept it from showing some."""

    sheet: Sheet
    records: list[Record]
    undecodable: tuple[str, ...] = ()
    error: SignalboxError | None = None
    is_denied: bool = False
    is_waiting: bool = False

    @property
    def is_busy(self) -> bool:
        """Whether the source is only busy or away, so that trying again is all there is to do."""
        return isinstance(self.error, RetryLater)

    @property
    def counts(self) -> dict[str, int]:
        """Records by verdict."""
        return {name: sum(r.verdict == name for r in self.records) for name in ("accepted", "filtered", "rejected")}


def try_mapping(
    *, source: Connector | None, stream: str, rows: list[RuleRow], condition: str, may_sample: bool
) -> Trial:
    """Check the rows, and try them on samples where there is a source and the person may see its records."""
    sheet = sheet_of(rows)
    if not filled(rows) and not condition.strip():
        # The editor says itself that there is no field yet; an error would be early.
        return Trial(sheet, [], is_denied=not may_sample, is_waiting=may_sample)
    mapping = tried_mapping(rows, condition)
    if may_sample and source is not None and stream:
        try:
            made = previews.preview(
                source=source, stream=stream, mapping=mapping.to_json(), limit=SAMPLES, may_remember=True
            )
        except SignalboxError as error:
            add_problems(sheet, condition, check_mapping(mapping, None))
            return Trial(sheet, [], error=error)
        add_problems(sheet, condition, made.problems)
        _add_examples(sheet, made.rows)
        targets = [rule.target for rule in mapping.fields]
        return Trial(sheet, _records(made.rows, targets), made.undecodable)
    add_problems(sheet, condition, check_mapping(mapping, None))
    return Trial(sheet, [], is_denied=not may_sample, is_waiting=may_sample)


def _add_examples(sheet: Sheet, rows: tuple[PreviewRow, ...]) -> None:
    for rule in sheet.rules:
        if rule.is_wrong:
            continue
        target = rule.row.target
        errors = [row.errors[target] for row in rows if target in row.errors]
        if errors:
            rule.notes.append(Note(f"{len(errors)} of {len(rows)} samples: {errors[0]}", tone="warn"))
        shown = [row.output[target] for row in rows if row.output.get(target) is not None]
        rule.example = _text(shown[0])[:80] if shown else ""
    failed = [row.errors["filter"] for row in rows if "filter" in row.errors]
    if failed and not sheet.filter_notes:
        sheet.filter_notes.append(Note(f"{len(failed)} of {len(rows)} samples: {failed[0]}", tone="warn"))


def _records(rows: tuple[PreviewRow, ...], targets: list[str]) -> list[Record]:
    rejected = [number for number, row in enumerate(rows, 1) if row.verdict == "rejected"]
    is_open = {*rejected[:OPEN_AT_MOST], *([] if rejected else [1])}
    return [_record(number, row, targets, is_open=number in is_open) for number, row in enumerate(rows, 1)]


def _record(number: int, row: PreviewRow, targets: list[str], *, is_open: bool) -> Record:
    return Record(
        number=number,
        verdict=row.verdict,
        inputs=[Cell(name, _text(value), value is None) for name, value in row.input.items()],
        outputs=[
            Cell(name, _text(row.output.get(name)), row.output.get(name) is None, row.errors.get(name, ""))
            for name in dict.fromkeys(targets)
        ],
        filter_error=row.errors.get("filter", ""),
        is_open=is_open,
    )


def _text(value: Any) -> str:  # any value that JSON can say
    if value is None:
        return "NULL"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
