"""Propose a mapping from the columns of a source, and say how two mappings differ."""

from __future__ import annotations

import re
from collections.abc import Mapping as Dictionary
from dataclasses import dataclass

from sqlglot import exp

from integrations.domain.mapping.check import FORBIDDEN_IN_TARGET, MAX_TARGET_BYTES
from integrations.domain.mapping.model import FieldRule, Mapping
from integrations.domain.mapping.parse import parse_expression
from integrations.domain.mapping.problems import ExpressionError


@dataclass(frozen=True)
class FieldChange:
    """A field that stands in both mappings and is not the same; `changed` names what differs."""

    before: FieldRule
    after: FieldRule
    changed: tuple[str, ...]


@dataclass(frozen=True)
class Difference:
    """What has to happen to the first mapping to become the second; `filter` holds both filters where they differ."""

    added: tuple[FieldRule, ...]
    removed: tuple[FieldRule, ...]
    changed: tuple[FieldChange, ...]
    filter: tuple[str, str] | None
    reordered: bool = False

    @property
    def is_empty(self) -> bool:
        return not (self.added or self.removed or self.changed or self.filter or self.reordered)


def identity_mapping(columns: Dictionary[str, str]) -> Mapping:
    """Every column under its own name and type; a name that no field can have is made into one."""
    taken: set[str] = set()
    fields = []
    for name, type_name in columns.items():
        target = _free_name(_as_target(name), taken)
        taken.add(target.casefold())
        fields.append(FieldRule.of(target, quoted(name), type_name))
    return Mapping(tuple(fields))


def quoted(name: str) -> str:
    """The column as an expression names it: bare where that reads the same, in double quotes otherwise."""
    if re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name) and _reads_as_column(name):
        return name
    return '"' + name.replace('"', '""') + '"'


def diff_mappings(before: Mapping, after: Mapping) -> Difference:
    """Fields are the same field when their target is the same."""
    old, new = {rule.target: rule for rule in before.fields}, {rule.target: rule for rule in after.fields}
    changes = tuple(
        FieldChange(old[name], rule, _changed(old[name], rule))
        for name, rule in new.items()
        if name in old and old[name] != rule
    )
    return Difference(
        added=tuple(rule for name, rule in new.items() if name not in old),
        removed=tuple(rule for name, rule in old.items() if name not in new),
        changed=changes,
        filter=(before.filter, after.filter) if before.filter != after.filter else None,
        reordered=[name for name in old if name in new] != [name for name in new if name in old],
    )


def _reads_as_column(name: str) -> bool:
    try:
        tree = parse_expression(name)
    except ExpressionError:
        return False
    return isinstance(tree, exp.Column) and tree.name == name


def _changed(before: FieldRule, after: FieldRule) -> tuple[str, ...]:
    pairs = {
        "expression": (before.expression, after.expression),
        "type": (before.type_name, after.type_name),
        "required": (before.required, after.required),
    }
    return tuple(name for name, (old, new) in pairs.items() if old != new)


def _as_target(name: str) -> str:
    cleaned = "".join("_" if c in FORBIDDEN_IN_TARGET or not c.isprintable() else c for c in name).strip()
    return _cut(cleaned, MAX_TARGET_BYTES) or "column"


def _free_name(name: str, taken: set[str]) -> str:
    candidate, number = name, 2
    while candidate.casefold() in taken:
        suffix = f"_{number}"
        candidate, number = _cut(name, MAX_TARGET_BYTES - len(suffix)) + suffix, number + 1
    return candidate


def _cut(text: str, size: int) -> str:
    return text.encode(errors="replace")[:size].decode(errors="ignore").strip()
