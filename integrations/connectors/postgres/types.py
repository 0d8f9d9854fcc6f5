"""How PostgreSQL's types and Arrow's types become one another, both ways."""

from __future__ import annotations

from typing import cast

import pyarrow as pa
import pyarrow.compute as pc
from psycopg import sql

from integrations.connectors.postgres.catalogue import Column
from integrations.connectors.sql import Array

# Types that the driver reads exactly as they are.
_NATIVE: dict[str, pa.DataType] = {
    "bool": pa.bool_(),
    "bytea": pa.binary(),
    "date": pa.date32(),
    "float4": pa.float32(),
    "float8": pa.float64(),
    "int2": pa.int16(),
    "int4": pa.int32(),
    "int8": pa.int64(),
    "text": pa.string(),
    "time": pa.time64("us"),
    "timestamp": pa.timestamp("us"),
    "timestamptz": pa.timestamp("us", tz="UTC"),
    "varchar": pa.string(),
}

# Types whose values have one order and one text form, so that a key of them can be continued from.
_ORDERED = frozenset(_NATIVE) | {
    "bpchar",
    "cidr",
    "inet",
    "interval",
    "macaddr",
    "name",
    "numeric",
    "oid",
    "timetz",
    "uuid",
}
_CURSORS = frozenset({"date", "int2", "int4", "int8", "numeric", "timestamp", "timestamptz"})

# Arrow's types as columns of a staging table, and of a table that the writer creates.
_COLUMN_TYPES: dict[str, str] = {
    "binary": "bytea",
    "bool": "boolean",
    "date32[day]": "date",
    "double": "double precision",
    "duration[us]": "interval",
    "float": "real",
    "int16": "smallint",
    "int32": "integer",
    "int64": "bigint",
    "month_day_nano_interval": "interval",
    "string": "text",
    "time64[us]": "time without time zone",
    "timestamp[us]": "timestamp without time zone",
}


def arrow_type(column: Column) -> pa.DataType:
    """Return the Arrow type in which a column is read; what has no equal there is text, arrays are JSON text."""
    if column.base == "numeric" and column.builtin:
        return _decimal(column.modifier)
    if column.base == "oid" and column.builtin:
        return pa.int64()
    return _NATIVE.get(column.base, pa.string()) if column.builtin else pa.string()


def _decimal(modifier: int) -> pa.DataType:
    """NUMERIC(p, s) as decimal where Arrow can hold it; without a declared scale only text is exact."""
    if modifier < 4:
        return pa.string()
    precision, scale = (modifier - 4) >> 16, (modifier - 4) & 0x7FF
    return pa.decimal128(precision, scale) if precision <= 38 and scale <= precision else pa.string()


def selected(column: Column) -> sql.Composable:
    """Return the expression that reads a column in a type which the driver delivers exactly."""
    name = sql.Identifier(column.name)
    if column.builtin and column.base in _NATIVE:
        return name
    if column.builtin and column.base == "oid":
        return sql.SQL("{}::int8").format(name)
    return sql.SQL("to_json({})::text" if column.array else "{}::text").format(name)


def is_ordered(column: Column) -> bool:
    """Whether rows can be ordered by the column itself; others are ordered by their text."""
    return column.enum or (column.builtin and column.base in _ORDERED)


def can_be_cursor(column: Column) -> bool:
    """Whether an incremental read can follow the column."""
    return column.builtin and column.base in _CURSORS


def converted(values: Array, target: pa.DataType) -> tuple[Array, pa.BooleanArray | None]:
    """Return a column in its target type, and the rows (a mask) whose value has no equal there, or None."""
    if pa.types.is_decimal(target):
        mask = pc.is_in(values, pa.array(["NaN", "Infinity", "-Infinity"]))
        if mask.true_count:
            values = pc.if_else(mask, pa.scalar(None, pa.string()), values)
        return pc.cast(values, target), mask if mask.true_count else None
    if pa.types.is_timestamp(target) or pa.types.is_date(target):
        mask = infinite(values)
        return values, mask if mask.true_count else None
    return values, None


# The driver shifts PostgreSQL's infinities from its epoch (2000) to Arrow's (1970), where they wrap around to these.
_INFINITE_STAMP = (-(2**63) + 946684800000000 - 1, -(2**63) + 946684800000000)
_INFINITE_DATE = (-(2**31) + 10957 - 1, -(2**31) + 10957)


def infinite(values: Array) -> pa.BooleanArray:
    """Return which dates or timestamps are 'infinity' or '-infinity'."""
    wide = pa.types.is_timestamp(values.type)
    numbers: Array = values.view(pa.int64() if wide else pa.int32())
    limit = pa.scalar(_INFINITE_STAMP[1] if wide else _INFINITE_DATE[1], numbers.type)
    return cast(pa.BooleanArray, pc.less_equal(numbers, limit).fill_null(False))


def value_text(values: Array, row: int) -> str | None:
    """Return one value as the text from which PostgreSQL makes exactly that value again."""
    kind, value = values.type, values[row]
    if not value.is_valid:
        return None
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        return _moment_text(values, row)
    if pa.types.is_binary(kind):
        return f"\\x{value.as_py().hex()}"
    if pa.types.is_time(kind):
        return str(pc.cast(value, pa.string()))
    plain = value.as_py()
    return str(plain).lower() if isinstance(plain, bool) else str(plain)


def _moment_text(values: Array, row: int) -> str:
    one = values.slice(row, 1)
    if infinite(one)[0].as_py():
        wide = pa.types.is_timestamp(one.type)
        number = one.view(pa.int64() if wide else pa.int32())[0].as_py()
        return "infinity" if number == (_INFINITE_STAMP if wide else _INFINITE_DATE)[0] else "-infinity"
    text: str = pc.cast(one, pa.string())[0].as_py()
    if text.startswith(("-", "0000")):
        year, rest = text[: text.index("-", 1)], text[text.index("-", 1) :]
        return f"{1 - int(year):04d}{rest} BC"
    return text


def stage_type(kind: pa.DataType) -> str | None:
    """Return the column type that takes a plain Arrow type by binary COPY, or None where there is none."""
    if pa.types.is_decimal128(kind):
        return "numeric"
    if pa.types.is_timestamp(kind) and kind.tz:
        return "timestamp with time zone"
    return _COLUMN_TYPES.get(str(kind))


def created_type(kind: pa.DataType, plain: pa.DataType) -> str | None:
    """Return the type of a column in a table that the writer creates, for an Arrow type and its plain form."""
    if pa.types.is_nested(kind) or isinstance(kind, pa.JsonType):
        return "jsonb"
    if isinstance(kind, pa.UuidType):
        return "uuid"
    if pa.types.is_decimal128(plain):
        return f"numeric({plain.precision}, {plain.scale})" if plain.scale >= 0 else "numeric"
    return stage_type(plain)


def cast_from_stage(column: Column, staged: str) -> sql.Composable:
    """Return the expression that turns a staged value into the target's type.

    The cast names the type without its length, so that a text that is too long is refused by the assignment, not cut.
    """
    value = sql.SQL("s.{}").format(sql.Identifier(column.name))
    target = sql.SQL(column.cast)  # made and quoted by PostgreSQL's own format_type
    if column.cast == staged:
        return value
    if column.array and staged == "text":
        return _array_from_text(value, target)
    return sql.SQL("{}::{}").format(value, target)


def _array_from_text(value: sql.Composable, target: sql.Composable) -> sql.Composable:
    """Arrays are read as JSON text; a value that is not JSON is taken for PostgreSQL's own form, `{a,b}`."""
    return sql.SQL(
        "CASE WHEN ltrim({value}) LIKE '[%' THEN"
        " ARRAY(SELECT pg_catalog.jsonb_array_elements_text({value}::jsonb))::{target} ELSE {value}::{target} END"
    ).format(value=value, target=target)
