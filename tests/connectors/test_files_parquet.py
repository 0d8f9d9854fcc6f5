"""Parquet: by row number, with nested values as JSON text."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from integrations.errors import CURSOR_INVALID, FILE_UNREADABLE, NeedsPerson
from tests.connectors.files_world import bad, batches, put, rows, types


def test_nested_and_dictionary_columns_are_read_as_text(tmp_path: Path) -> None:
    table = pa.table({"o": [{"k": [1, 2]}, None], "d": pa.array(["x", "y"]).dictionary_encode(), "n": pa.nulls(2)})
    pq.write_table(table, tmp_path / "x.parquet")
    assert types(tmp_path, "x.parquet", "parquet") == {"o": "string", "d": "string", "n": "string"}
    assert rows(batches(tmp_path, "x.parquet", "parquet")) == [
        {"o": '{"k":[1,2]}', "d": "x", "n": None},
        {"o": None, "d": "y", "n": None},
    ]


def test_a_value_that_is_not_of_the_pinned_type_is_set_aside(tmp_path: Path) -> None:
    pq.write_table(pa.table({"a": ["1", "x", None], "b": [1, 2, 3]}), tmp_path / "x.parquet")
    schema = pa.schema([pa.field("a", pa.int32()), pa.field("b", pa.int64())])
    found = batches(tmp_path, "x.parquet", "parquet", request={"schema": schema})
    assert rows(found) == [{"a": 1, "b": 1}, {"a": None, "b": 3}]
    assert bad(found) == [('{"a":"x","b":2}', "column 'a': 'x' is not a whole number")]


def test_a_type_that_cannot_become_the_pinned_one_is_a_clear_error(tmp_path: Path) -> None:
    pq.write_table(pa.table({"a": pa.array([True])}), tmp_path / "x.parquet")
    schema = pa.schema([pa.field("a", pa.date32())])
    with pytest.raises(NeedsPerson, match="another type"):
        batches(tmp_path, "x.parquet", "parquet", request={"schema": schema})


def test_a_missing_column_is_a_clear_error(tmp_path: Path) -> None:
    pq.write_table(pa.table({"a": [1]}), tmp_path / "x.parquet")
    with pytest.raises(NeedsPerson, match="no column 'z'"):
        batches(tmp_path, "x.parquet", "parquet", request={"schema": pa.schema([pa.field("z", pa.int64())])})


def test_a_file_without_rows_has_no_records(tmp_path: Path) -> None:
    pq.write_table(pa.table({"a": pa.array([], pa.int64())}), tmp_path / "x.parquet")
    found = batches(tmp_path, "x.parquet", "parquet")
    assert [batch.records.num_rows for batch in found] == [0]


def test_a_damaged_row_group_is_a_clear_error(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    pq.write_table(pa.table({"a": list(range(10_000))}), path, compression="zstd", use_dictionary=False)
    data = bytearray(path.read_bytes())
    data[40:4000] = bytes(3960)
    put(tmp_path, "x.parquet", bytes(data))
    with pytest.raises(NeedsPerson) as caught:
        batches(tmp_path, "x.parquet", "parquet")
    assert caught.value.code == FILE_UNREADABLE


def test_a_replaced_file_is_noticed_and_a_copy_is_not_minded(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    pq.write_table(pa.table({"a": list(range(100))}), path)
    first = batches(tmp_path, "x.parquet", "parquet", request={"batch_records": 30})[0]
    put(tmp_path, "copy", path.read_bytes()).rename(path)
    rest = batches(tmp_path, "x.parquet", "parquet", request={"cursor": first.cursor})
    assert [row["a"] for row in rows(rest)] == list(range(30, 100))
    pq.write_table(pa.table({"a": list(range(1, 101))}), path)
    with pytest.raises(NeedsPerson) as caught:
        batches(tmp_path, "x.parquet", "parquet", request={"cursor": first.cursor})
    assert caught.value.code == CURSOR_INVALID
