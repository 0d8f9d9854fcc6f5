"""How declared types of SQLite and Arrow's types become one another, and their values.

SQLite keeps any value in any column; a value that is not what its column declares is set aside when it is read. Times
are ISO text in UTC, decimals text (SQLite has none), booleans 0 and 1.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime, time
from decimal import Decimal, InvalidOperation
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from integrations.connectors.sql import Array

_DECLARED = re.compile(r"^\s*([^(]*?)\s*(?:\(\s*(\d+)\s*(?:,\s*(\d+)\s*)?\))?\s*$")
_EXACT: Mapping[str, pa.DataType] = {
    "BOOL": pa.bool_(),
    "BOOLEAN": pa.bool_(),
    "DATE": pa.date32(),
    "DATETIME": pa.timestamp("us"),
    "TIME": pa.time64("us"),
    "TIMESTAMP": pa.timestamp("us"),
    "TIMESTAMPTZ": pa.timestamp("us", tz="UTC"),
    "TIMESTAMP WITH TIME ZONE": pa.timestamp("us", tz="UTC"),
}
_DECIMALS = frozenset({"DECIMAL", "NUMERIC", "DECIMAL_TEXT"})
# In the order of SQLite's own rules of affinity (sqlite.org/datatype3.html, 3.1).
_CONTAINS: tuple[tuple[str, pa.DataType], ...] = (
    ("INT", pa.int64()),
    ("CHAR", pa.string()),
    ("CLOB", pa.string()),
    ("TEXT", pa.string()),
    ("BLOB", pa.binary()),
    ("REAL", pa.float64()),
    ("FLOA", pa.float64()),
    ("DOUB", pa.float64()),
)
# The names carry TEXT where SQLite would otherwise turn text that looks like a number into one.
_CREATED: Mapping[str, str] = {
    "binary": "BLOB",
    "bool": "BOOLEAN",
    "date32[day]": "DATE",
    "double": "REAL",
    "float": "REAL",
    "int16": "INTEGER",
    "int32": "INTEGER",
    "int64": "INTEGER",
    "string": "TEXT",
    "time64[us]": "TIME",
    "timestamp[us]": "TIMESTAMP",
}


def arrow_type(declared: str) -> pa.DataType:
    """Return the Arrow type in which a column is read; an unknown or missing declaration is text."""
    match = _DECLARED.match(declared.upper())
    base, precision, scale = match.groups() if match else (declared.upper(), None, None)
    if base in _EXACT:
        return _EXACT[base]
    if base in _DECIMALS:
        digits, places = int(precision or 0), int(scale or 0)
        return pa.decimal128(digits, places) if 0 < digits <= 38 and places <= digits else pa.string()
    return next((kind for part, kind in _CONTAINS if part in base), pa.string())


def can_be_cursor(declared: str) -> bool:
    """Whether an incremental read can follow a column: numbers, dates and times."""
    kind = arrow_type(declared)
    return pa.types.is_integer(kind) or pa.types.is_timestamp(kind) or pa.types.is_date(kind)


def created_type(kind: pa.DataType) -> str | None:
    """Return the declared type of a column that the writer creates for a plain Arrow type, or None."""
    if pa.types.is_decimal128(kind):
        return f"DECIMAL_TEXT({kind.precision},{kind.scale})" if 0 <= kind.scale <= kind.precision else "TEXT"
    if pa.types.is_timestamp(kind) and kind.tz:
        return "TIMESTAMPTZ"
    return _CREATED.get(str(kind))


def loses_digits(kind: pa.DataType, declared: str) -> bool:
    """Whether SQLite would turn decimals of this type into floats in a column declared so."""
    upper = declared.upper()
    as_text = any(part in upper for part in ("CHAR", "CLOB", "TEXT", "BLOB")) and "INT" not in upper
    return pa.types.is_decimal(kind) and kind.precision > 15 and not as_text


def stored(values: Array) -> list[Any]:
    """Return a column of a plain type as the values that SQLite keeps."""
    kind = values.type
    if pa.types.is_boolean(kind):
        values = pc.cast(values, pa.int64())
    elif pa.types.is_temporal(kind) or pa.types.is_decimal(kind):
        values = pc.cast(values, pa.string())
    return values.to_pylist()


def arrow_column(values: Sequence[Any], target: pa.DataType) -> tuple[Array, list[int]]:
    """Return SQLite's values as a column of a type, and the rows whose value is not of it (they hold NULL)."""
    try:
        return _vectorised(values, target), []
    except (pa.ArrowException, TypeError, ValueError, OverflowError):
        return _one_by_one(values, target)


def _vectorised(values: Sequence[Any], target: pa.DataType) -> Array:
    """The fast way for a column of uniform values; raises for any other."""
    if pa.types.is_boolean(target):
        if not set(values) <= {0, 1, None}:
            raise ValueError("not a boolean")
        return pc.cast(pa.array(values, pa.int64()), target)
    if pa.types.is_temporal(target):
        return pc.cast(pa.array(values, pa.string()), target)
    if pa.types.is_decimal(target):
        return pa.array([None if value is None else _decimal(value, target) for value in values], target)
    if pa.types.is_integer(target) and any(isinstance(value, float) for value in values):
        raise ValueError("not whole numbers")
    if pa.types.is_binary(target) and any(isinstance(value, str) for value in values):
        raise ValueError("not bytes")
    if pa.types.is_string(target) and any(isinstance(value, bytes) for value in values):
        raise ValueError("not text")
    return pa.array(values, target)


def _one_by_one(values: Sequence[Any], target: pa.DataType) -> tuple[Array, list[int]]:
    convert = _converter(target)
    converted, odd = [], []
    for row, value in enumerate(values):
        try:
            converted.append(None if value is None else pa.scalar(convert(value, target), target).as_py())
        except (pa.ArrowException, TypeError, ValueError, OverflowError, InvalidOperation):
            converted.append(None)
            odd.append(row)
    return pa.array(converted, target), odd


def _converter(target: pa.DataType) -> Callable[[Any, pa.DataType], Any]:
    kinds: tuple[tuple[Callable[[pa.DataType], bool], Callable[[Any, pa.DataType], Any]], ...] = (
        (pa.types.is_boolean, _boolean),
        (pa.types.is_integer, _integer),
        (pa.types.is_floating, _float),
        (pa.types.is_string, _text),
        (pa.types.is_binary, _bytes),
        (pa.types.is_decimal, _decimal),
        (pa.types.is_timestamp, _timestamp),
        (pa.types.is_date, lambda value, _: date.fromisoformat(value)),
        (pa.types.is_time, lambda value, _: time.fromisoformat(value)),
    )
    return next(convert for matches, convert in kinds if matches(target))


def _boolean(value: Any, _: pa.DataType) -> bool:
    if value not in (0, 1):
        raise ValueError("not a boolean")
    return bool(value)


def _integer(value: Any, _: pa.DataType) -> int:
    if not isinstance(value, int):
        raise TypeError("not a whole number")
    return value


def _float(value: Any, _: pa.DataType) -> float:
    if not isinstance(value, int | float):
        raise TypeError("not a number")
    return float(value)


def _text(value: Any, _: pa.DataType) -> str:
    if isinstance(value, bytes):
        raise TypeError("not text")
    return str(value)


def _bytes(value: Any, _: pa.DataType) -> bytes:
    if not isinstance(value, bytes):
        raise TypeError("not bytes")
    return value


def _decimal(value: Any, target: pa.DataType) -> Decimal:
    number = Decimal(str(value))
    if not number.is_finite() or not isinstance(target, pa.Decimal128Type):
        raise ValueError("not finite")
    return number.quantize(Decimal(1).scaleb(-target.scale)) if isinstance(value, float) else number


def _timestamp(value: Any, target: pa.DataType) -> datetime:
    """A moment in UTC; one that names no zone is taken for UTC."""
    moment = datetime.fromisoformat(value)
    moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    return moment if target == pa.timestamp("us", tz="UTC") else moment.replace(tzinfo=None)


def key_text(value: Any) -> str:
    """Return a key value as text with its storage class, so that exactly it comes back."""
    if isinstance(value, float):
        return f"real:{value.hex()}"
    if isinstance(value, bytes):
        return f"blob:{value.hex()}"
    return f"{'integer' if isinstance(value, int) else 'text'}:{value}"


def key_value(text: str) -> int | float | str | bytes:
    """Return the value that `key_text` wrote; raises ValueError for what it did not write."""
    kind, separator, value = text.partition(":")
    readers: Mapping[str, Callable[[str], int | float | str | bytes]] = {
        "integer": int,
        "real": float.fromhex,
        "blob": bytes.fromhex,
        "text": str,
    }
    if not separator or kind not in readers:
        raise ValueError("not a key")
    return readers[kind](value)


def has_nan(values: Array) -> bool:
    """Whether a column holds a NaN, which SQLite would keep as NULL."""
    return pa.types.is_floating(values.type) and bool(pc.any(pc.is_nan(values)).as_py())
