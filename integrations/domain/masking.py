"""Masks: which fields must not be seen, how they are hidden, and which fields of a mapping would show them.

A mask names a field, whatever its case. It holds for the destination's field of that name, for every field whose
expression reads a source field of that name (also inside a structure or JSON), and for that name inside JSON values.
With dots it names a path, `payload.card`: that name anywhere below a field or member of the first one.

Texts that hold a JSON object or array are searched, too: all of them where people look at records; on the way out only
those that a path leads into, since what is sent is not written anew without need.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from typing import Any

import msgspec
from sqlglot import exp

from integrations.domain.mapping import ExpressionError, FieldRule, FieldType
from integrations.domain.mapping import Mapping as FieldMapping
from integrations.domain.mapping.parse import parse_expression

REDACTED = "[redacted]"
SHOWN_CHARACTERS = 4
_HIDDEN = "****"
FILTER = "filter"
# Numbers keep every digit, whoever wrote them.
_DECODER = msgspec.json.Decoder(float_hook=Decimal)
_ENCODER = msgspec.json.Encoder(decimal_format="number")
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
    """A field of a mapping that is masked: how or, where only parts inside its JSON are, by which masks there."""

    rule: FieldRule
    how: MaskHow
    within: Masks = field(default_factory=dict)

    @property
    def inside(self) -> bool:
        return bool(self.within)


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


def quiet_names(mapping: FieldMapping, fields: Iterable[MaskedField], masks: Masks) -> frozenset[str]:
    """The fields, and `filter`, whose reasons may show what is masked: what they read is, or a path leads into it."""
    rules = [*((rule.target, {rule.target.casefold(), *names_read(rule.expression)}) for rule in mapping.fields)]
    reads = [*rules, (FILTER, names_read(mapping.filter))]
    open_ones = {name for name, names in reads if masks_below(masks, names)}
    filtered = {FILTER} if names_read(mapping.filter) & masks.keys() else set()
    return frozenset({*(each.rule.target for each in fields), *open_ones, *filtered})


def may_show(reason: str, masks: Masks) -> bool:
    """Whether a reason quotes JSON that has a masked name in it."""
    return ("{" in reason or "[" in reason) and _may_name(reason, masks) and _has_key(reason, masks)


def unfit(fields: Iterable[MaskedField], key: Iterable[str]) -> dict[str, str]:
    """Map each target field that cannot hold its mask to the sentence that says why and what would."""
    keys = set(key)
    problems = {}
    for each in fields:
        sentence = _unfit(each, is_key=each.rule.target in keys)
        if sentence:
            problems[each.rule.target] = sentence
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
    """A JSON value with every masked name in it hidden, at any depth, also in texts that hold JSON."""
    if isinstance(value, Mapping):
        return {name: _member(name, member, masks, key) for name, member in value.items()}
    if isinstance(value, list | tuple):
        return [masked_value(item, masks, key) for item in value]
    return masked_json(value, masks, key) if isinstance(value, str) else value


def masked_json(text: str, masks: Masks, key: bytes) -> str:
    """A text that holds a JSON object or array, with what is masked in it hidden; any other text as it is.

    What begins so, names what is masked, and cannot be parsed (it was cut, or is broken) is hidden as a whole.
    """
    if not text.lstrip().startswith(("{", "[")) or not _may_name(text, masks):
        return text
    try:
        found = _DECODER.decode(text)
        masked = masked_value(found, masks, key)
        # Of a name that stands twice only the last was looked at; what is written anew has no other.
        return _ENCODER.encode(masked).decode() if masked != found or _has_key(text, masks) else text
    except (msgspec.MsgspecError, RecursionError, UnicodeEncodeError):
        return REDACTED


def masks_below(masks: Masks, names: Iterable[str]) -> dict[str, MaskHow]:
    """What paths through one of the names hide below it."""
    found: dict[str, MaskHow] = {}
    for name in names:
        for path, how in masks.items():
            rest = path.removeprefix(f"{name}.")
            if rest != path and (rest not in found or how.strength > found[rest].strength):
                found[rest] = how
    return found


def _may_name(text: str, masks: Masks) -> bool:
    """Whether a name in the text may be masked; one that is written with escapes may be any."""
    return "\\" in text or bool(_named(text.casefold(), masks))


def _has_key(text: str, masks: Masks) -> bool:
    folded = text.casefold()
    names = "|".join(re.escape(name) for name in _named(folded, masks))
    return "\\" in text or (bool(names) and re.search(rf'"(?:{names})"\s*:', folded) is not None)


def _named(folded: str, masks: Masks) -> set[str]:
    """The masked names that stand in a text; of a path the last one, where all of it does."""
    whole = {path for path in masks if path in folded}
    return whole | {path.rpartition(".")[2] for path in masks if all(part in folded for part in path.split("."))}


def _member(name: str, member: Any, masks: Masks, key: bytes) -> Any:
    how = masks.get(name.casefold())
    if how is not None:
        return None if member is None else masked_text(member if isinstance(member, str) else str(member), how, key)
    below = masks_below(masks, [name.casefold()])
    return masked_value(member, {**masks, **_stronger(masks, below)} if below else masks, key)


def _stronger(masks: Masks, others: Masks) -> dict[str, MaskHow]:
    """The others, each at least as strong as the mask of its name."""
    return {name: max(how, masks.get(name, how), key=lambda each: each.strength) for name, how in others.items()}


def _masked(rule: FieldRule, masks: Masks, nested: Mapping[str, frozenset[str]]) -> MaskedField | None:
    read = names_read(rule.expression)
    names = {rule.target.casefold(), *read}
    direct = {path for path in masks if path in names or ("." in path and names.issuperset(path.split(".")))}
    if direct:
        return MaskedField(rule, _strongest(masks, direct))
    below = masks_below(masks, names)
    if rule.type is FieldType.JSON:
        return MaskedField(rule, _strongest(masks, masks), {**masks, **_stronger(masks, below)}) if masks else None
    members = {name for column in read for name in nested.get(column, frozenset())}
    if inner := members & {**masks, **below}.keys():
        return MaskedField(rule, _strongest({**masks, **_stronger(masks, below)}, inner))
    if below and rule.type is FieldType.TEXT:
        return MaskedField(rule, _strongest(below, below), below)
    return None


def _strongest(masks: Masks, names: Iterable[str]) -> MaskHow:
    return max((masks[name] for name in names), key=lambda how: how.strength)


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
