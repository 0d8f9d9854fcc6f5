"""The fields of a dead letter's record as a form shows and reads them: a name, a kind, a text."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from django.http import QueryDict

KINDS = (("text", "text"), ("number", "number"), ("boolean", "true or false"), ("null", "null"), ("json", "JSON"))
FIELDS_AT_MOST = 500


@dataclass(frozen=True)
class FieldRow:
    """One field as a person sees it; `problem` says why its text is no value of its kind."""

    name: str
    kind: str
    text: str
    problem: str = ""


def rows_of_record(record: Mapping[str, Any]) -> list[FieldRow]:
    """The fields of a record, in its order."""
    return [FieldRow(name, *_shown(value)) for name, value in record.items()]


def rows_of_raw(raw: str, names: Sequence[str]) -> list[FieldRow]:
    """The columns of the stream, with the values of what was read where it is a JSON object."""
    try:
        found = json.loads(raw)
    except (ValueError, RecursionError):
        found = None
    values = found if isinstance(found, dict) else {}
    return rows_of_record({name: values.get(name) for name in names})


def rows_of_post(data: QueryDict) -> list[FieldRow]:
    """The rows that a form sent; what it did not send whole is left out."""
    given = zip(data.getlist("name"), data.getlist("kind"), data.getlist("value"), strict=False)
    return [FieldRow(name, kind, text) for name, kind, text in list(given)[:FIELDS_AT_MOST]]


def record_of_rows(rows: Sequence[FieldRow]) -> tuple[dict[str, Any], list[FieldRow]]:
    """The record, and the rows with their problems; a field with a problem is not in the record."""
    record: dict[str, Any] = {}
    judged = []
    for row in rows:
        try:
            record[row.name] = _read(row)
        except ValueError as error:
            judged.append(replace(row, problem=str(error)))
        else:
            judged.append(row)
    return record, judged


def _shown(value: Any) -> tuple[str, str]:
    if value is None:
        return "null", ""
    if isinstance(value, str):
        return "text", value
    if isinstance(value, bool):
        return "boolean", json.dumps(value)
    if isinstance(value, int | float):
        return "number", json.dumps(value)
    return "json", json.dumps(value, ensure_ascii=False)


def _read(row: FieldRow) -> Any:
    if row.kind == "text":
        return row.text
    if row.kind == "null":
        if row.text.strip():
            raise ValueError("null has no value. Choose text or number, or empty the field.")
        return None
    if row.kind not in _READERS:
        raise ValueError("Choose a kind.")
    return _READERS[row.kind](row.text.strip())


def _number(text: str) -> int | float:
    value = _json(text)
    if isinstance(value, bool) or not isinstance(value, int | float) or value - value != 0:
        raise ValueError("This is no number.")
    return value


def _boolean(text: str) -> bool:
    if text not in ("true", "false"):
        raise ValueError("Write true or false.")
    return text == "true"


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise ValueError("This is no JSON: text needs quotation marks, a list [ ], an object { }.") from None


_READERS = {"number": _number, "boolean": _boolean, "json": _json}
