"""What a mapping is: fields with a type and a requirement, a filter, and their stored form."""

from __future__ import annotations

import re
from collections.abc import Mapping as Dictionary
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

DEFAULT_PRECISION = 38
DEFAULT_SCALE = 9

_DECIMAL = re.compile(r"decimal\(\s*(\d{1,2})\s*,\s*(\d{1,2})\s*\)")
_FIELD_KEYS = {"target", "expression", "type", "required"}


class MappingFormatError(ValueError):
    """The stored or sent form is not a mapping; the message names the key."""


class FieldType(StrEnum):
    """The type of a target field. `decimal` carries a precision and a scale, written `decimal(18,2)`."""

    TEXT = "text"
    INTEGER = "integer"
    DECIMAL = "decimal"
    FLOAT = "float"
    BOOLEAN = "boolean"
    DATE = "date"
    TIMESTAMP = "timestamp"
    TIME = "time"
    JSON = "json"
    BYTES = "bytes"


@dataclass(frozen=True)
class FieldRule:
    """One target field: what it is called, the SQL scalar expression that makes it, its type, whether it must be there.

    `precision` and `scale` count for decimals alone: 1 to 38 digits, of which `scale` stand after the point.
    """

    target: str
    expression: str
    type: FieldType
    required: bool = False
    precision: int = DEFAULT_PRECISION
    scale: int = DEFAULT_SCALE

    def __post_init__(self) -> None:
        if not (1 <= self.precision <= 38 and 0 <= self.scale <= self.precision):
            raise MappingFormatError(
                f"decimal({self.precision},{self.scale}) does not exist: use 1 to 38 digits, the scale among them."
            )

    @property
    def type_name(self) -> str:
        """The type as a person writes it, e.g. `decimal(18,2)`."""
        return f"decimal({self.precision},{self.scale})" if self.type is FieldType.DECIMAL else self.type.value

    @classmethod
    def of(cls, target: str, expression: str, type_name: str, *, required: bool = False) -> FieldRule:
        """A rule whose type is text, e.g. `decimal(18,2)`; MappingFormatError where there is no such type."""
        kind, precision, scale = parse_type(type_name)
        return cls(target, expression, kind, required, precision, scale)


@dataclass(frozen=True)
class Mapping:
    """The fields of a destination record, and a filter that keeps a record where it is true (empty: keep all)."""

    fields: tuple[FieldRule, ...]
    filter: str = ""

    def to_json(self) -> dict[str, Any]:
        """Plain values for storage and the API; `from_json` reads them back equal."""
        return {
            "fields": [
                {"target": f.target, "expression": f.expression, "type": f.type_name, "required": f.required}
                for f in self.fields
            ],
            "filter": self.filter,
        }

    @classmethod
    def from_json(cls, value: object) -> Mapping:
        """A mapping from plain values; MappingFormatError for an unknown key, a missing one, or a wrong type."""
        data = _object(value, "The mapping", {"fields"}, {"fields", "filter"})
        if not isinstance(data["fields"], list):
            raise MappingFormatError("'fields' must be a list.")
        condition = data.get("filter", "")
        if not isinstance(condition, str):
            raise MappingFormatError("'filter' must be text.")
        return cls(tuple(_field(item, index) for index, item in enumerate(data["fields"])), condition)


def parse_type(text: str) -> tuple[FieldType, int, int]:
    """The type, precision and scale that a text such as `integer` or `decimal(18,2)` names."""
    match = _DECIMAL.fullmatch(text)
    if match:
        return FieldType.DECIMAL, int(match[1]), int(match[2])
    try:
        return FieldType(text), DEFAULT_PRECISION, DEFAULT_SCALE
    except ValueError:
        known = ", ".join(kind.value for kind in FieldType)
        raise MappingFormatError(
            f"There is no type {text[:40]!r}. Use one of: {known}; a decimal may say decimal(18,2)."
        ) from None


def _field(value: object, index: int) -> FieldRule:
    where = f"Field {index + 1}"
    data = _object(value, where, {"target", "expression", "type"}, _FIELD_KEYS)
    for key in ("target", "expression", "type"):
        if not isinstance(data[key], str):
            raise MappingFormatError(f"{where}: {key!r} must be text.")
    required = data.get("required", False)
    if not isinstance(required, bool):
        raise MappingFormatError(f"{where}: 'required' must be true or false.")
    return FieldRule.of(data["target"], data["expression"], data["type"], required=required)


def _object(value: object, where: str, needed: set[str], allowed: set[str]) -> Dictionary[str, Any]:
    if not isinstance(value, dict):
        raise MappingFormatError(f"{where} must be an object.")
    unknown = sorted(str(key)[:40] for key in value.keys() - allowed)
    if unknown:
        raise MappingFormatError(f"{where} has a key that does not exist: {unknown[0]!r}.")
    missing = sorted(needed - value.keys())
    if missing:
        raise MappingFormatError(f"{where} lacks {missing[0]!r}.")
    return value
