"""Small readings of Arrow batches: columns as the mapping names them, and a value as a person may see it."""

from __future__ import annotations

import pyarrow as pa

from integrations.domain.mapping import FieldType

EXCERPT_CHARACTERS = 80

_TYPE_CHECKS = (
    (pa.types.is_boolean, FieldType.BOOLEAN),
    (pa.types.is_integer, FieldType.INTEGER),
    (pa.types.is_floating, FieldType.FLOAT),
    (pa.types.is_date, FieldType.DATE),
    (pa.types.is_timestamp, FieldType.TIMESTAMP),
    (pa.types.is_time, FieldType.TIME),
    (pa.types.is_nested, FieldType.JSON),
    (pa.types.is_binary, FieldType.BYTES),
    (pa.types.is_large_binary, FieldType.BYTES),
    (pa.types.is_fixed_size_binary, FieldType.BYTES),
    (pa.types.is_binary_view, FieldType.BYTES),
)


def columns_of(schema: pa.Schema) -> dict[str, str]:
    """The columns of a source as a mapping knows them: name to type, in order; of two with one name the first."""
    columns: dict[str, str] = {}
    for field in schema:
        columns.setdefault(field.name, _type_name(field.type))
    return columns


def _type_name(kind: pa.DataType) -> str:
    if pa.types.is_dictionary(kind):
        return _type_name(kind.value_type)
    if pa.types.is_decimal(kind):
        fits = kind.precision <= 38 and 0 <= kind.scale <= kind.precision
        return f"decimal({kind.precision},{kind.scale})" if fits else FieldType.TEXT.value
    return next((name.value for is_kind, name in _TYPE_CHECKS if is_kind(kind)), FieldType.TEXT.value)


def excerpt(value: object) -> str:
    """At most 80 characters of a value, without control characters that could forge a line of a log."""
    text = str(value)[: EXCERPT_CHARACTERS + 1]
    shown = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)
    return shown if len(shown) <= EXCERPT_CHARACTERS else shown[: EXCERPT_CHARACTERS - 1] + "…"
