"""Column types of JSON records: inferred from a sample by majority, because a sample may hold bad records itself."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import Any

import msgspec
import pyarrow as pa

from integrations.connectors.rest_api.answer import refuse_constant, refuse_doubles
from integrations.errors import ANSWER_TOO_LARGE, NeedsPerson

TIMESTAMP = pa.timestamp("us", tz="UTC")
NAMED_TYPES: Mapping[str, pa.DataType] = {
    "text": pa.string(),
    "integer": pa.int64(),
    "number": pa.float64(),
    "boolean": pa.bool_(),
    "timestamp": TIMESTAMP,
    "date": pa.date32(),
}
# A column has a type when at least this share of its values has it; the others become bad records.
MAJORITY = 0.9
TIMESTAMP_TEXT = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d{1,6})?(?P<zone>Z|[+-]\d\d:?\d\d)?", re.ASCII)
DATE_TEXT = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
SAMPLE_RECORDS = 1000
MAX_COLUMNS = 2000


def infer(rows: Sequence[msgspec.Raw], declared: Mapping[str, str]) -> pa.Schema | None:
    """The schema of the records in `rows`, columns in the order of appearance, or None without one good record.

    Raises NeedsPerson(ANSWER_TOO_LARGE) where there are more fields than a table can have columns.
    """
    kinds: dict[str, Counter[str]] = {}
    records = [record for record in map(load_record, rows[:SAMPLE_RECORDS]) if record is not None]
    for record in records:
        for name, value in record.items():
            kinds.setdefault(name, Counter())[kind_of(value)] += 1
    if not records:
        return None
    for name in declared:
        kinds.setdefault(name, Counter())
    if len(kinds) > MAX_COLUMNS:
        raise NeedsPerson(
            ANSWER_TOO_LARGE,
            f"The records have {len(kinds):,} different fields; a stream has at most {MAX_COLUMNS:,}.",
            what_to_do="Correct the record path of the stream: an object with values as names is no list of records.",
        )
    return pa.schema(
        [(name, NAMED_TYPES[declared[name]] if name in declared else column_type(kinds[name])) for name in kinds]
    )


def load_record(row: bytes | msgspec.Raw) -> dict[str, Any] | None:
    """The record in a raw JSON text, or None where it is no strict JSON object."""
    try:
        value = json.loads(bytes(row), object_pairs_hook=refuse_doubles, parse_constant=refuse_constant)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def kind_of(value: object) -> str:
    """What a JSON value is, in the words of `column_type`."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int):
        return "integer" if -(2**63) <= value < 2**63 else "text"
    if isinstance(value, float):
        return "number"
    return _kind_of_text(value) if isinstance(value, str) else "text"


def column_type(kinds: Counter[str]) -> pa.DataType:
    """The type that at least nine in ten of the values have; text, which can hold anything, where there is none."""
    total = sum(kinds.values()) - kinds["null"]
    numbers = kinds["integer"] + kinds["number"]
    stamps = kinds["timestamp"] + kinds["naive"]

    def rules(count: int) -> bool:
        return total > 0 and count >= MAJORITY * total

    if rules(kinds["integer"]) and not kinds["number"]:
        return pa.int64()
    if rules(numbers):
        return pa.float64()
    if rules(kinds["boolean"]):
        return pa.bool_()
    if rules(stamps):
        return TIMESTAMP if kinds["timestamp"] else pa.timestamp("us")
    return pa.date32() if rules(kinds["date"]) else pa.string()


def misfit(record: Mapping[str, Any], schema: pa.Schema) -> str:
    """In words, the first column whose value does not fit its type, or ""."""
    for column in schema:
        value = record.get(column.name)
        if value is not None and not _fits(kind_of(value), column.type):
            return f"{column.name}: {_a(value)} where {_wanted(column.type)} is expected"
    return ""


def _fits(kind: str, wanted: pa.DataType) -> bool:
    if pa.types.is_string(wanted):
        return True
    if pa.types.is_timestamp(wanted):
        return kind in ({"timestamp", "naive", "date"} if wanted.tz else {"naive", "date"})
    if pa.types.is_floating(wanted):
        return kind in {"integer", "number"}
    return kind == _NAMES.get(wanted, "")


def _kind_of_text(text: str) -> str:
    try:
        if stamp := TIMESTAMP_TEXT.fullmatch(text):
            datetime.fromisoformat(text)
            return "timestamp" if stamp["zone"] else "naive"
        if DATE_TEXT.fullmatch(text):
            date.fromisoformat(text)
            return "date"
    except ValueError:
        return "text"
    return "text"


_NAMES: Mapping[pa.DataType, str] = {kind: name for name, kind in NAMED_TYPES.items()}
_WORDS: Iterable[tuple[type, str]] = (
    (bool, "true or false"),
    (int, "a whole number"),
    (float, "a number"),
    (str, "a text"),
    (list, "a list"),
    (dict, "an object"),
)


def _a(value: object) -> str:
    return next(words for kind, words in _WORDS if isinstance(value, kind))


def _wanted(wanted: pa.DataType) -> str:
    if pa.types.is_timestamp(wanted):
        return "a date and time"
    words = {"integer": "a whole number", "number": "a number", "boolean": "true or false", "date": "a date"}
    return words.get(_NAMES.get(wanted, ""), str(wanted))
