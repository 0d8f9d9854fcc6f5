"""The rows of the mapping editor: from a posted form to a mapping and back, under names that survive moves."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from django.http import QueryDict

from integrations.domain.mapping import FieldRule, FieldType, MappingFormatError

ROWS_AT_MOST = 201  # one more than a mapping may have, so that the check can say so
_ROW_ID = re.compile(r"[a-z][a-z0-9]{0,11}")
_DIGITS = re.compile(r"decimal\((.*)\)")
TYPES = tuple(kind.value for kind in FieldType)


@dataclass(frozen=True)
class RuleRow:
    """One row as it was typed. `digits` are a decimal's precision and scale, e.g. `18,2`; `is_key` matches by it."""

    id: str
    target: str = ""
    expression: str = ""
    type: str = FieldType.TEXT.value
    digits: str = ""
    is_required: bool = False
    is_key: bool = False

    @property
    def type_name(self) -> str:
        """The type as the domain reads it."""
        return f"decimal({self.digits})" if self.type == FieldType.DECIMAL and self.digits else self.type

    @property
    def is_blank(self) -> bool:
        return not self.target.strip() and not self.expression.strip()

    @property
    def type_problem(self) -> str:
        """What is wrong with the type, or nothing."""
        try:
            FieldRule.of("x", "x", self.type_name)
        except MappingFormatError as error:
            return str(error)
        return ""

    def to_json(self) -> dict[str, Any]:
        """The field in a mapping's stored form."""
        return {
            "target": self.target,
            "expression": self.expression,
            "type": self.type_name,
            "required": self.is_required,
        }


def rows_of_post(posted: QueryDict) -> list[RuleRow]:
    """The rows in the order in which they were sent; each has its values under its own name."""
    ids = [name for name in dict.fromkeys(posted.getlist("row")) if _ROW_ID.fullmatch(name)]
    return [_posted(posted, name) for name in ids[:ROWS_AT_MOST]]


def rows_of_mapping(mapping: Mapping[str, Any], key: Iterable[str]) -> list[RuleRow]:
    """The rows of a stored mapping."""
    keys = set(key)
    return [_stored(f"r{number}", item, keys) for number, item in enumerate(mapping.get("fields", ()))]


def mapping_of(rows: Sequence[RuleRow], condition: str) -> dict[str, Any]:
    """The mapping in its stored form; rows without a word are left out."""
    return {"fields": [row.to_json() for row in filled(rows)], "filter": condition}


def filled(rows: Sequence[RuleRow]) -> list[RuleRow]:
    """The rows that make a field: the index of a mapping's problem is an index into these."""
    return [row for row in rows if not row.is_blank]


def key_of(rows: Sequence[RuleRow]) -> tuple[str, ...]:
    """The targets that are ticked as key."""
    return tuple(row.target for row in filled(rows) if row.is_key)


def edited(rows: Sequence[RuleRow], command: str) -> list[RuleRow]:
    """The rows after a button's command: `add`, `up:r3`, `down:r3`, `remove:r3`; without a script a page needs it."""
    changed = list(rows)
    verb, _, name = command.partition(":")
    at = next((index for index, row in enumerate(changed) if row.id == name), None)
    if verb == "add":
        changed.append(RuleRow(free_id(changed)))
    elif at is not None and verb == "remove":
        del changed[at]
    elif at is not None and verb in ("up", "down"):
        other = at - 1 if verb == "up" else at + 1
        if 0 <= other < len(changed):
            changed[at], changed[other] = changed[other], changed[at]
    return changed


def with_proposal(rows: Sequence[RuleRow], proposed: Mapping[str, Any], key: Iterable[str]) -> list[RuleRow]:
    """The rows, and one more for each proposed column that no row names yet: nothing that was typed is lost."""
    kept = filled(rows)
    known = {row.target.casefold() for row in kept}
    for row in rows_of_mapping(proposed, key):
        if row.target.casefold() not in known:
            kept.append(replace(row, id=free_id(kept)))
    return kept


def free_id(rows: Sequence[RuleRow]) -> str:
    """A row name that none of them has."""
    taken = {row.id for row in rows}
    return next(name for name in (f"r{number}" for number in range(len(rows) + 1)) if name not in taken)


def _posted(posted: QueryDict, name: str) -> RuleRow:
    return RuleRow(
        id=name,
        target=posted.get(f"target-{name}", "").strip(),
        expression=posted.get(f"expression-{name}", "").replace("\r\n", "\n"),
        type=posted.get(f"type-{name}", FieldType.TEXT.value),
        digits=posted.get(f"digits-{name}", "").replace(" ", ""),
        is_required=f"required-{name}" in posted,
        is_key=f"key-{name}" in posted,
    )


def _stored(name: str, item: Mapping[str, Any], keys: set[str]) -> RuleRow:
    digits = _DIGITS.fullmatch(item["type"])
    return RuleRow(
        id=name,
        target=item["target"],
        expression=item["expression"],
        type=FieldType.DECIMAL.value if digits else item["type"],
        digits=digits[1].replace(" ", "") if digits else "",
        is_required=bool(item.get("required")),
        is_key=item["target"] in keys,
    )
