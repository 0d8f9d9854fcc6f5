"""The rows of a correction in bulk as a form shows and reads them: a field of the record, and an expression."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.http import QueryDict

from integrations.services.dead_letter_changes import FIELDS_AT_MOST, Setting

EXPRESSION_CHARACTERS = 10_000


@dataclass(frozen=True)
class SettingRow:
    """One row as a person left it."""

    field: str = ""
    expression: str = ""

    @property
    def is_empty(self) -> bool:
        return not self.expression.strip()


def rows_of_post(data: QueryDict) -> list[SettingRow]:
    """The rows that a form sent, with a further one where that was asked for; at least one."""
    given = zip(data.getlist("set-field"), data.getlist("set-expression"), strict=False)
    rows = [SettingRow(name, text[: EXPRESSION_CHARACTERS + 1]) for name, text in list(given)[:FIELDS_AT_MOST]]
    if not rows or (data.get("act") == "more" and len(rows) < FIELDS_AT_MOST):
        rows.append(SettingRow())
    return rows


def settings_of(rows: Sequence[SettingRow]) -> list[Setting]:
    """What the rows say; an empty row in the middle is refused at its place, empty ones at the end say nothing."""
    last = max((place for place, row in enumerate(rows) if not row.is_empty), default=-1)
    return [Setting(row.field, row.expression) for row in rows[: last + 1]]
