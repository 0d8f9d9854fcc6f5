"""The cursor: reading goes on exactly where it stood, or says why it cannot."""

from __future__ import annotations

import gzip
import os
from pathlib import Path

import pyarrow as pa
import pytest

from integrations.connectors.base import Cursor
from integrations.connectors.files.cursor import Identity, Mark, Place
from integrations.errors import CURSOR_INVALID, SETTINGS_INVALID, STREAM_MISSING, NeedsPerson
from tests.connectors.files_world import batches, put, rows

SCHEMA = pa.schema([pa.field("a", pa.int64())])
SMALL = {"schema": SCHEMA, "batch_records": 4, "batch_bytes": 16}


def lines(*numbers: int) -> bytes:
    return b"a\n" + b"".join(b"%d\n" % number for number in numbers)


def after(folder: Path, name: str, number: int = 2) -> Cursor:
    return batches(folder, name, request=SMALL)[number].cursor


def rest(folder: Path, name: str, cursor: Cursor, **request: object) -> list[int]:
    return [row["a"] for row in rows(batches(folder, name, request={**SMALL, "cursor": cursor, **request}))]


@pytest.mark.parametrize("name", ["x.csv", "x.csv.gz"])
@pytest.mark.parametrize(
    ("data", "words"),
    [
        (lines(*range(5)), "became shorter"),
        (lines(*range(50, 90)), "was replaced or changed"),
        (lines(9, *range(1, 60)), "was replaced or changed"),
    ],
)
def test_a_replaced_file_is_refused(tmp_path: Path, name: str, data: bytes, words: str) -> None:
    pack = gzip.compress if name.endswith(".gz") else bytes
    put(tmp_path, name, pack(lines(*range(40))))
    cursor = after(tmp_path, name, 3)
    put(tmp_path, name, pack(data))
    with pytest.raises(NeedsPerson, match=words) as caught:
        rest(tmp_path, name, cursor)
    assert caught.value.code == CURSOR_INVALID
    assert "new file name" in caught.value.what_to_do


@pytest.mark.parametrize("number", [0, 1, 2, 5])
def test_a_file_that_has_grown_or_was_copied_is_continued(tmp_path: Path, number: int) -> None:
    put(tmp_path, "x.csv", lines(*range(40)))
    found = batches(tmp_path, "x.csv", request=SMALL)
    seen = len(rows(found[: number + 1]))
    put(tmp_path, "new", lines(*range(60))).rename(tmp_path / "x.csv")
    assert rest(tmp_path, "x.csv", found[number].cursor) == list(range(seen, 60))


def test_a_file_that_shrank_inside_the_block_is_refused(tmp_path: Path) -> None:
    put(tmp_path, "x.csv", lines(*range(10, 40)))
    request = {**SMALL, "batch_bytes": 10_000}
    cursor = batches(tmp_path, "x.csv", request=request)[1].cursor
    put(tmp_path, "x.csv", lines(*range(10, 20)))
    with pytest.raises(NeedsPerson, match="became shorter"):
        rest(tmp_path, "x.csv", cursor)


def test_other_types_inside_a_block_are_noticed(tmp_path: Path) -> None:
    put(tmp_path, "x.csv", lines(*range(10)) + b"x\n")
    cursor = batches(tmp_path, "x.csv", request={**SMALL, "batch_bytes": 10_000})[0].cursor
    with pytest.raises(NeedsPerson, match="settings were changed"):
        rest(tmp_path, "x.csv", cursor, schema=pa.schema([pa.field("a", pa.string())]))


@pytest.mark.parametrize("size", [16, 10_000])
def test_a_last_record_that_was_completed_later_is_refused(tmp_path: Path, size: int) -> None:
    put(tmp_path, "x.csv", lines(*range(10)) + b"1")
    found = batches(tmp_path, "x.csv", request={**SMALL, "batch_bytes": size})
    put(tmp_path, "x.csv", lines(*range(10)) + b"123\n")
    for batch in found[-2:]:
        if batch is found[-1] or size == 10_000:
            with pytest.raises(NeedsPerson, match="incomplete last record"):
                rest(tmp_path, "x.csv", batch.cursor)


def test_a_last_record_without_a_line_end_is_continued_behind_it(tmp_path: Path) -> None:
    put(tmp_path, "x.csv", lines(1, 2) + b"3")
    found = batches(tmp_path, "x.csv", request=SMALL)
    put(tmp_path, "x.csv", lines(1, 2) + b"3\n4\n")
    assert (rows(found)[-1], rest(tmp_path, "x.csv", found[-1].cursor)) == ({"a": 3}, [4])


def test_an_incremental_read_takes_new_and_grown_files_only(tmp_path: Path) -> None:
    put(tmp_path, "b.csv", lines(1, 2))
    put(tmp_path, "c.csv", lines(3))
    last = batches(tmp_path, "*.csv", request={**SMALL, "cursor_field": "_file"})[-1].cursor
    put(tmp_path, "a.csv", lines(4))
    put(tmp_path, "b.csv", lines(1, 2, 5))
    assert rest(tmp_path, "*.csv", last, cursor_field="_file") == [4, 5]


def test_all_files_read_and_moved_away_is_nothing_new(tmp_path: Path) -> None:
    path = put(tmp_path, "b.csv", lines(1, 2))
    last = batches(tmp_path, "*.csv", request={**SMALL, "cursor_field": "_file"})[-1].cursor
    path.unlink()
    assert rest(tmp_path, "*.csv", last, cursor_field="_file") == []


def test_a_file_that_disappears_half_read_is_refused(tmp_path: Path) -> None:
    path = put(tmp_path, "b.csv", lines(*range(40)))
    put(tmp_path, "c.csv", lines(41))
    cursor = after(tmp_path, "*.csv")
    path.unlink()
    with pytest.raises(NeedsPerson, match="was moved away"):
        rest(tmp_path, "*.csv", cursor)


def test_a_pattern_without_files_is_missing(tmp_path: Path) -> None:
    with pytest.raises(NeedsPerson) as caught:
        batches(tmp_path, "*.csv")
    assert caught.value.code == STREAM_MISSING


def test_the_memory_of_files_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("integrations.connectors.files.cursor.MOST_FILES", 3)
    mark = Mark(Identity(1, 1, 1), is_last=True)
    place = Place("d", dict.fromkeys(["a", "b", "d"], mark))
    assert set(place.trimmed(["a", "b"]).marks) == {"a", "b", "d"}
    assert set(place.trimmed(["b", "c", "d"]).marks) == {"b", "d"}
    with pytest.raises(NeedsPerson) as caught:
        place.trimmed(["a", "b", "c", "d"])
    assert caught.value.code == SETTINGS_INVALID


@pytest.mark.parametrize(
    "cursor",
    [{}, {"version": 2, "files": {}}, {"version": 1, "files": {"x": [1]}}, {"version": 1, "files": {"x": ["1"] * 9}}],
)
def test_a_cursor_of_another_shape_is_refused(tmp_path: Path, cursor: Cursor) -> None:
    put(tmp_path, "x.csv", lines(1))
    with pytest.raises(NeedsPerson) as caught:
        rest(tmp_path, "x.csv", cursor)
    assert caught.value.code == CURSOR_INVALID


def test_a_touched_file_is_read_on(tmp_path: Path) -> None:
    path = put(tmp_path, "x.csv", lines(*range(40)))
    found = batches(tmp_path, "x.csv", request=SMALL)
    os.utime(path, ns=(1, 1))
    assert len(rest(tmp_path, "x.csv", found[2].cursor)) == 40 - len(rows(found[:3]))
