"""Masks: which fields must not be seen, how they are hidden, and which fields of a mapping would show them.

A mask names a field, whatever its case. It holds for the destination's field of that name, for every field whose
expression reads a source field of that name (also inside a structure or JSON), and for that name inside JSON values.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlglot import exp

from integrations.domain.mapping import ExpressionError, FieldRule, FieldType
from integrations.domain.mapping import Mapping as FieldMapping
from integrations.domain.mapping.parse import parse_expression

REDACTED = "[redacted]"
SHOWN_CHARACTERS = 4
_HIDDEN = "****"
_PATHS = (exp.Bracket, exp.Dot, exp.JSONExtract, exp.JSONExtractScalar, exp.StructExtract)


class MaskHow(StrEnum):
    """From the weakest to the strongest."""

    KEEP_LAST_FOUR = "keep_last_four"
    HASH = "hash"
    REDACT = "redact"
    DROP = "drop"

    @property
    def strength(self) -> int:
        return list(MaskHow).index(self)


Masks = Mapping[str, MaskHow]


@dataclass(frozen=True)
class MaskedField:
    """A field of a mapping that is masked: how, and whether only parts inside its JSON are."""

    rule: FieldRule
    how: MaskHow
    inside: bool = False


def masks_of(*levels: Iterable[Mapping[str, str]]) -> dict[str, MaskHow]:
    """The masks of several lists of items, by folded name; where two name one field, the stronger holds."""
    masks: dict[str, MaskHow] = {}
    for items in levels:
        for item in items:
            name, how = item["field"].casefold(), MaskHow(item["how"])
            if name not in masks or how.strength > masks[name].strength:
                masks[name] = how
    return masks


def names_read(expression: str) -> frozenset[str]:
    """Folded names of columns, members and JSON paths that an expression reads; none where it cannot be parsed."""
    try:
        tree = parse_expression(expression)
    except ExpressionError:
        return frozenset()
    names = {node.name.casefold() for node in tree.find_all(exp.Identifier)}
    for literal in tree.find_all(exp.Literal):
        if literal.is_string and isinstance(literal.parent, _PATHS):
            names |= set("".join(c if c.isalnum() or c in "_-" else " " for c in literal.name.casefold()).split())
    return frozenset(names)


def masked_fields(
    mapping: FieldMapping, masks: Masks, nested: Mapping[str, frozenset[str]] | None = None
) -> tuple[MaskedField, ...]:
    """The fields of the mapping that masks hold for. `nested` are the member names of structured source columns."""
    found = (_masked(rule, masks, nested or {}) for rule in mapping.fields)
    return tuple(field for field in found if field)


def is_filter_masked(mapping: FieldMapping, masks: Masks) -> bool:
    """Whether the filter reads a masked field, so that its reasons may show one."""
    return bool(names_read(mapping.filter) & masks.keys())


def unfit(fields: Iterable[MaskedField], key: Iterable[str]) -> dict[str, str]:
    """Map each target field that cannot hold its mask to the sentence that says why and what would."""
    keys = set(key)
    problems = {}
    for field in fields:
        sentence = _unfit(field, is_key=field.rule.target in keys)
        if sentence:
            problems[field.rule.target] = sentence
    return problems


def masked_text(text: str, how: MaskHow, key: bytes) -> str | None:
    """A text under its mask; the hash is HMAC-SHA256 in hexadecimal, equal for equal texts under one key."""
    if how is MaskHow.HASH:
        return hmac.digest(key, text.encode(errors="surrogatepass"), "sha256").hex()
    if how is MaskHow.REDACT:
        return REDACTED
    if how is MaskHow.KEEP_LAST_FOUR:
        return _HIDDEN + (text[-SHOWN_CHARACTERS:] if len(text) > 2 * SHOWN_CHARACTERS else "")
    return None


def masked_value(value: Any, masks: Masks, key: bytes) -> Any:
    """A JSON value with every masked name in it hidden, at any depth."""
    if isinstance(value, Mapping):
        return {name: _member(name, member, masks, key) for name, member in value.items()}
    if isinstance(value, list | tuple):
        return [masked_value(item, masks, key) for item in value]
    return value


def _member(name: str, member: Any, masks: Masks, key: bytes) -> Any:
    how = masks.get(name.casefold())
    if how is None:
        return masked_value(member, masks, key)
    return None if member is None else masked_text(member if isinstance(member, str) else str(member), how, key)


def _masked(rule: FieldRule, masks: Masks, nested: Mapping[str, frozenset[str]]) -> MaskedField | None:
    read = names_read(rule.expression)
    direct = {rule.target.casefold(), *read} & masks.keys()
    inner = {name for column in read for name in nested.get(column, frozenset())} & masks.keys()
    if direct:
        return MaskedField(rule, max((masks[name] for name in direct), key=lambda how: how.strength))
    if rule.type is FieldType.JSON:
        return MaskedField(rule, max(masks.values(), key=lambda how: how.strength), inside=True) if masks else None
    if inner:
        return MaskedField(rule, max((masks[name] for name in inner), key=lambda how: how.strength))
    return None


def _unfit(field: MaskedField, *, is_key: bool) -> str:
    rule, how = field.rule, field.how
    if field.inside:
        return ""
    if is_key and how is not MaskHow.HASH:
        return f"{rule.target} is a key of the destination; only the hash keeps keys apart."
    if how is MaskHow.DROP:
        return f"{rule.target} is required; “drop” leaves nothing in it. Do not require it." if rule.required else ""
    if rule.type is not FieldType.TEXT:
        return f"{rule.target} is {rule.type_name}; “{how.value}” makes text of it. Make it text, or drop it."
    return ""
