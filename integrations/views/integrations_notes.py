"""What stands beside each row of the mapping editor: the problems of its expression, at their place."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from integrations.domain.mapping import FieldType, Mapping, Problem, check_mapping
from integrations.forms.integration_rules import RuleRow, filled, mapping_of

_WORD = re.compile(r"\w+|\S")
_AROUND = 40


@dataclass(frozen=True)
class Note:
    """One thing to know. `at` is the piece of the expression that it is about, between `before` and `after`."""

    message: str
    tone: str = "bad"
    before: str = ""
    at: str = ""
    after: str = ""


@dataclass
class RuleView:
    """A row with its notes; `example` is what it made of the first record that it could."""

    row: RuleRow
    notes: list[Note] = field(default_factory=list)
    example: str = ""

    @property
    def is_wrong(self) -> bool:
        return any(note.tone == "bad" for note in self.notes)


@dataclass
class Sheet:
    """The mapping as the editor shows it: its rows, the notes of the filter, and those of the whole."""

    rules: list[RuleView]
    filter_notes: list[Note] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)

    @property
    def is_wrong(self) -> bool:
        return bool(self.notes or self.filter_notes) or any(rule.is_wrong for rule in self.rules)


def sheet_of(rows: Sequence[RuleRow]) -> Sheet:
    """The rows without any notes but those on their types."""
    rules = [RuleView(row) for row in rows]
    for rule in rules:
        if rule.row.type_problem:
            rule.notes.append(Note(rule.row.type_problem))
    return Sheet(rules)


def checked_sheet(rows: Sequence[RuleRow], condition: str) -> Sheet:
    """The rows with what can be said of them without the source."""
    sheet = sheet_of(rows)
    add_problems(sheet, condition, check_mapping(tried_mapping(rows, condition), None))
    return sheet


def tried_mapping(rows: Sequence[RuleRow], condition: str) -> Mapping:
    """The mapping as far as it can be tried: a type that does not exist counts as text, and has its own note."""
    usable = [replace(row, type=FieldType.TEXT.value, digits="") if row.type_problem else row for row in rows]
    return Mapping.from_json(mapping_of(usable, condition))


def add_problems(sheet: Sheet, condition: str, problems: Iterable[Problem]) -> None:
    """Put each problem where it belongs."""
    rules = _filled_rules(sheet)
    for problem in problems:
        if problem.field == "mapping":
            sheet.notes.append(Note(problem.message))
        elif problem.field == "filter":
            sheet.filter_notes.append(_at(problem, condition))
        else:
            rule = rules[int(problem.field)]
            rule.notes.append(_at(problem, rule.row.expression))


def _filled_rules(sheet: Sheet) -> list[RuleView]:
    kept = {row.id for row in filled([rule.row for rule in sheet.rules])}
    return [rule for rule in sheet.rules if rule.row.id in kept]


def _at(problem: Problem, text: str) -> Note:
    if problem.position is None or not text:
        return Note(problem.message)
    start = min(problem.position, len(text) - 1)
    found = _WORD.match(text, start)
    end = found.end() if found else start + 1
    before = text[max(0, start - _AROUND) : start]
    return Note(
        problem.message,
        before=("…" if start > _AROUND else "") + before,
        at=text[start:end],
        after=text[end : end + _AROUND] + ("…" if len(text) > end + _AROUND else ""),
    )
