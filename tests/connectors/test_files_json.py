"""JSON Lines: nested values as text, wrong lines set aside."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from integrations.errors import FILE_UNREADABLE, NeedsPerson
from tests.connectors.files_world import bad, batches, put, rows, types

FIELDS: list[pa.Field[Any]] = [pa.field("a", pa.int64()), pa.field("b", pa.string())]
SCHEMA = pa.schema(FIELDS)


def test_types_come_from_the_values(tmp_path: Path) -> None:
    put(
        tmp_path,
        "x.jsonl",
        b'{"i": 1, "f": 1, "t": true, "s": "x", "n": null, "m": 1, "o": {"k": [1]}}\nnot json\n'
        b'{"i": 2, "f": 1.5, "m": "x", "big": 99999999999999999999}\n',
    )
    text = dict.fromkeys(["s", "n", "m", "o", "big"], "string")
    assert types(tmp_path, "x.jsonl", "jsonl") == {"i": "int64", "f": "double", "t": "bool", **text}


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (b'{"a": 1, "b": "x"}', {"a": 1, "b": "x"}),
        (b'\xef\xbb\xbf{"a": 1, "b": "x"}', {"a": 1, "b": "x"}),
        (b'{"a": 1, "b": {"k": [1, 2.50]}}', {"a": 1, "b": '{"k": [1, 2.50]}'}),
        (b'{"a": 1, "b": [1,2]}', {"a": 1, "b": "[1,2]"}),
        (b'{"a": 1, "b": 1.50}', {"a": 1, "b": "1.50"}),
        (b'{"a": "12", "b": true}', {"a": 12, "b": "true"}),
        (b'{"b": "\\u00e4\\n", "c": 1}', {"a": None, "b": "ä\n"}),
        (b'{"a": null, "b": {"k": null}}', {"a": None, "b": '{"k": null}'}),
    ],
)
def test_a_value_arrives_as_its_type_or_as_its_json_text(tmp_path: Path, line: bytes, expected: object) -> None:
    put(tmp_path, "x.jsonl", line + b"\r\n\r\n")
    assert rows(batches(tmp_path, "x.jsonl", "jsonl", request={"schema": SCHEMA})) == [expected]


def test_wrong_lines_are_set_aside_with_their_text(tmp_path: Path) -> None:
    put(tmp_path, "x.jsonl", b'{"a": 1}\n{"a": \n[1]\n{"a": "no", "b": {}}\n{"a": 1.5}\n{"a": 2}{"a": 3}\n{"a": 4}')
    found = batches(tmp_path, "x.jsonl", "jsonl", request={"schema": SCHEMA})
    assert [row["a"] for row in rows(found)] == [1, 4]
    assert [raw for raw, _ in bad(found)] == ['{"a": ', "[1]", '{"a": 2}{"a": 3}', '{"a": "no", "b": {}}', '{"a": 1.5}']
    assert bad(found)[3][1] == "column 'a': 'no' is not a whole number"


def test_lines_beyond_the_block_size_are_read_whole(tmp_path: Path) -> None:
    put(tmp_path, "x.jsonl", b"".join(b'{"a": %d, "b": "%s"}\n' % (n, b"y" * n) for n in range(100)))
    found = batches(tmp_path, "x.jsonl", "jsonl", request={"schema": SCHEMA, "batch_bytes": 50})
    assert [len(row["b"]) for row in rows(found)] == list(range(100))


def test_an_empty_file_has_no_records(tmp_path: Path) -> None:
    put(tmp_path, "x.jsonl", b"")
    found = batches(tmp_path, "x.jsonl", "jsonl", request={"schema": SCHEMA})
    assert (rows(found), found[-1].records.schema) == ([], SCHEMA)


@pytest.mark.parametrize("data", [b"a,b\n1,2\n", b"[1, 2]\n", b"<html></html>", b'{"a": "\xff"}\n', b"1\n2\n"])
def test_a_file_that_is_no_json_lines_is_a_clear_error(tmp_path: Path, data: bytes) -> None:
    put(tmp_path, "x.jsonl", data)
    with pytest.raises(NeedsPerson) as caught:
        batches(tmp_path, "x.jsonl", "jsonl")
    assert caught.value.code == FILE_UNREADABLE
