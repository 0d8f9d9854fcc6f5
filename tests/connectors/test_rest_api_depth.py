"""How deep an answer may be nested: exactly to the limit, whatever stands in its texts."""

from __future__ import annotations

import json

import pytest

from integrations.connectors.rest_api.depth import MAX_DEPTH, is_too_deep


def nested(levels: int, kind: str = "[") -> object:
    """A value of so many levels, of lists, of objects, or of both in turn."""
    value: object = 1
    for level in range(levels):
        value = [value] if kind == "[" or (kind == "both" and level % 2) else {"a": value}
    return value


@pytest.mark.security("SEC-140")
@pytest.mark.parametrize("kind", ["[", "{", "both"])
@pytest.mark.parametrize(
    "text", ["", "\\", '\\\\"[', "\n[", '"', "[[[ {{", "]]}", 'a "quoted" [ and a \\ { ', "[" * 200, "]" * 200]
)
@pytest.mark.parametrize(("levels", "is_refused"), [(MAX_DEPTH, False), (MAX_DEPTH + 1, True), (500, True)])
def test_an_answer_is_refused_from_one_level_more(kind: str, text: str, levels: int, is_refused: bool) -> None:
    # Two levels are the list of records and the record.
    records = [{"text": text, "deep": nested(levels - 2, kind)}, *({"text": text, "list": [1]} for _ in range(70))]
    assert is_too_deep(json.dumps(records).encode(), len(records)) is is_refused


def test_many_flat_records_are_not_deep() -> None:
    records = [{"id": number, "tags": [{"a": [number]}]} for number in range(5000)]
    assert not is_too_deep(json.dumps(records).encode(), len(records))


@pytest.mark.security("SEC-140")
def test_brackets_in_texts_do_not_hide_the_depth() -> None:
    body = b"[" + b'["]", ' * 99 + b"1" + b', "["]' * 99 + b"]"
    json.loads(body)
    assert is_too_deep(body, 1)
