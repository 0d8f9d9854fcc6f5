"""One answer taken apart strictly: the records as raw JSON texts, and the envelope around them as values.

Whatever is not exactly the declared list of records is an error here, never an empty page.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from typing import Any

import msgspec

from integrations.connectors.http import Answer
from integrations.connectors.rest_api.depth import MAX_DEPTH, is_too_deep
from integrations.errors import ANSWER_TOO_LARGE, ANSWER_UNDECODABLE, RECORDS_NOT_FOUND, NeedsPerson

# The envelope is decoded twice, by msgspec to find the records and by `json` to be strict: cut out what is larger.
CUT_OUT_BYTES = 64
ERROR_KEYS = ("error", "errors", "fault", "exception")

_OBJECT = msgspec.json.Decoder(dict[str, msgspec.Raw])
_LIST = msgspec.json.Decoder(list[msgspec.Raw])


@dataclass(frozen=True)
class Page:
    """The records of one answer, each as raw JSON text, and the envelope (records cut out) for paging."""

    rows: list[msgspec.Raw] = field(repr=False)
    envelope: Any = field(repr=False)  # Any: JSON of the other side
    headers: Any = field(repr=False)
    byte_count: int

    @property
    def digest(self) -> str:
        """Tells two pages apart by their records alone."""
        whole = hashlib.blake2b(digest_size=8)
        for row in self.rows:
            whole.update(row)
        return whole.hexdigest()


def take_apart(answer: Answer, record_path: str, where: str) -> Page:
    """The page in `answer`; `where` names the stream in messages.

    Raises NeedsPerson(ANSWER_UNDECODABLE) for what is not strict JSON, NeedsPerson(ANSWER_TOO_LARGE) for what is nested
    too deep, and NeedsPerson(RECORDS_NOT_FOUND) where the record path does not lead to a list.
    """
    _require_json_type(answer, where)
    body = answer.body.removeprefix(b"\xef\xbb\xbf")
    try:
        found = _find(body, record_path)
        rows = [] if found is None else _LIST.decode(found)
        if is_too_deep(body, len(rows)):
            raise NeedsPerson(ANSWER_TOO_LARGE, f"The answer for {where} is nested more than {MAX_DEPTH} levels deep.")
        envelope = _envelope(body, found)
    except msgspec.ValidationError:
        raise _not_found(body, record_path, where) from None
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        raise NeedsPerson(ANSWER_UNDECODABLE, f"The answer for {where} is not valid JSON: {_reason(error)}.") from None
    if found is None:
        raise _not_found(body, record_path, where)
    return Page(rows, envelope, answer.headers, len(answer.body))


def value_at(document: Any, path: str) -> Any:
    """The value at a dotted path into objects, or None."""
    for key in path.split("."):
        if not isinstance(document, dict):
            return None
        document = document.get(key)
    return document


def refuse_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An `object_pairs_hook` for `json.loads` that refuses a name given twice."""
    made = dict(pairs)
    if len(made) != len(pairs):
        raise ValueError("an object names a field twice")
    return made


def refuse_constant(name: str) -> None:
    """A `parse_constant` for `json.loads`: NaN and Infinity are not JSON."""
    raise ValueError(f"{name} is not a JSON value")


def _require_json_type(answer: Answer, where: str) -> None:
    kind = answer.content_type
    if kind in {"", "application/json", "text/json"} or (kind.startswith("application/") and kind.endswith("+json")):
        if answer.body:
            return
        raise NeedsPerson(ANSWER_UNDECODABLE, f"The answer for {where} is empty (status {answer.status}).")
    what = "a web page" if kind in {"text/html", "application/xhtml+xml"} else "not JSON"
    raise NeedsPerson(ANSWER_UNDECODABLE, f"The answer for {where} is {what} ({kind[:80]}).")


def _find(body: bytes, record_path: str) -> msgspec.Raw | None:
    """The raw list at the path, or None where a part of the path is missing."""
    found: msgspec.Raw | None = msgspec.Raw(body)
    for key in record_path.split(".") if record_path else ():
        if found is None:
            return None
        found = _OBJECT.decode(found).get(key)
    return found


def _envelope(body: bytes, found: msgspec.Raw | None) -> Any:
    if found is not None and len(bytes(found)) > CUT_OUT_BYTES:
        body = body.replace(bytes(found), b"null", 1)
    return json.loads(body, object_pairs_hook=refuse_doubles, parse_constant=refuse_constant)


def _not_found(body: bytes, record_path: str, where: str) -> NeedsPerson:
    place = f"at {record_path!r}" if record_path else "at the top"
    try:
        names = [key for key in _OBJECT.decode(body) if key.lower() in ERROR_KEYS]
    except (msgspec.DecodeError, RecursionError):
        names = []
    if names:
        return NeedsPerson(
            RECORDS_NOT_FOUND, f"The answer for {where} holds {names[0]!r} and no list of records {place}."
        )
    return NeedsPerson(RECORDS_NOT_FOUND, f"The answer for {where} has no list of records {place}.")


def _reason(error: Exception) -> str:
    if isinstance(error, msgspec.DecodeError):
        return str(error).removeprefix("JSON is malformed: ")
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    if isinstance(error, json.JSONDecodeError | UnicodeDecodeError):
        return "it breaks off or holds a character that cannot be there"
    return str(error)[:200]
