"""CSV: every record is read or set aside with its reason, whatever the file looks like."""

from __future__ import annotations

import csv
import gzip
import io
import json
import os
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from integrations.connectors.base import ReadRequest
from integrations.connectors.files.boundary import CsvCutter
from integrations.errors import FILE_UNREADABLE, NeedsPerson
from tests.connectors.files_world import bad, batches, connector, put, rows, types

SPECTRUM = Path(os.environ.get("CSV_SPECTRUM", Path(__file__).resolve().parents[2].parent / "shared/data/csv-spectrum"))
INT_A_FIELDS: list[pa.Field[Any]] = [pa.field("a", pa.int64()), pa.field("b", pa.string())]
INT_A = pa.schema(INT_A_FIELDS)


@pytest.mark.parametrize(
    ("data", "given_settings", "expected"),
    [
        (b"\xef\xbb\xbfa,b\n1,x\n", {}, [{"a": 1, "b": "x"}]),
        (b"a,b\r1,x\r2,y\r", {}, [{"a": 1, "b": "x"}, {"a": 2, "b": "y"}]),
        (b"\n\na,b\n1,x", {}, [{"a": 1, "b": "x"}]),
        (b"a;b\n1;x\n", {"delimiter": ";"}, [{"a": 1, "b": "x"}]),
        (b"a\tb\n1\tx\n", {"delimiter": "\t"}, [{"a": 1, "b": "x"}]),
        (b"1,x\n2,y\n", {"header": False}, [{"column_1": 1, "column_2": "x"}, {"column_1": 2, "column_2": "y"}]),
        (b'a,b\n1,\n2,""\n', {}, [{"a": 1, "b": None}, {"a": 2, "b": ""}]),
        (b'a,b\nNULL,NULL\n2,"NULL"\n', {"null_text": "NULL"}, [{"a": None, "b": None}, {"a": 2, "b": "NULL"}]),
        ("a,b\n1,5€\n".encode("cp1252"), {"encoding": "cp1252"}, [{"a": 1, "b": "5€"}]),
        ("a,b\n1,ソ\n".encode("shift_jis"), {"encoding": "shift_jis"}, [{"a": 1, "b": "ソ"}]),
        (b"a,\n1,x\n", {}, [{"a": 1, "column_2": "x"}]),
        (b'a,b\n5" pipe,x\n3,"q\nr"\n', {}, [{"a": '5" pipe', "b": "x"}, {"a": "3", "b": "q\nr"}]),
        (b"a,b\n", {}, []),
    ],
)
def test_every_common_shape_is_read(
    tmp_path: Path, data: bytes, given_settings: dict[str, Any], expected: object
) -> None:
    put(tmp_path, "x.csv", data)
    assert rows(batches(tmp_path, "x.csv", **given_settings)) == expected


def test_types_come_from_the_data_and_codes_stay_text(tmp_path: Path) -> None:
    put(
        tmp_path,
        "x.csv",
        b"n,price,day,at,ok,zip,phone,big,none\n"
        b"1,1.5,2024-01-31,2024-01-31 10:00:00,true,00123,+491,12345678901234567890,\n"
        b"-2,0.5,2024-02-01,2024-01-31 10:00:00,false,99999,+492,1,\n",
    )
    assert types(tmp_path, "x.csv") == {
        "n": "int64", "price": "double", "day": "date32[day]", "at": "timestamp[us]", "ok": "bool",
        "zip": "string", "phone": "string", "big": "string", "none": "string",
    }  # fmt: skip


def test_times_finer_than_a_microsecond_keep_their_digits(tmp_path: Path) -> None:
    put(tmp_path, "x.csv", b"at\n2024-01-31 10:00:00.123456789\n")
    assert types(tmp_path, "x.csv") == {"at": "timestamp[ns]"}


def test_wrong_values_and_wrong_field_counts_are_set_aside_one_by_one(tmp_path: Path) -> None:
    put(tmp_path, "x.csv", b'a,b\n1,x\nno,"y,z"\n3\n4,v,w\n5,z\n99999999999999999999,x\n')
    found = batches(tmp_path, "x.csv", request={"schema": INT_A})
    assert rows(found) == [{"a": 1, "b": "x"}, {"a": 5, "b": "z"}]
    assert bad(found) == [
        ("3", "has 1 field instead of 2"),
        ("4,v,w", "has 3 fields instead of 2"),
        ('no,"y,z"', "column 'a': 'no' is not a whole number"),
        ("99999999999999999999,x", "column 'a': '99999999999999999999' is not a whole number"),
    ]


@pytest.mark.parametrize(
    ("kind", "good", "wrong", "words"),
    [
        (pa.float64(), "1.5", "x", "a number"),
        (pa.decimal128(6, 2), "1.50", "1.555", "a number of the form decimal128(6, 2)"),
        (pa.bool_(), "true", "maybe", "true or false"),
        (pa.date32(), "2024-01-31", "31.01.2024", "a date (YYYY-MM-DD)"),
        (pa.timestamp("us"), "2024-01-31 10:00:00", "now", "a time without a zone"),
        (pa.timestamp("us", "UTC"), "2024-01-31 10:00:00Z", "2024-01-31 10:00:00", "a time with a zone"),
        (pa.time32("s"), "10:00:00", "ten", "of type time32[s]"),
    ],
)
def test_a_value_that_is_not_of_its_type_is_named(
    tmp_path: Path, kind: pa.DataType, good: str, wrong: str, words: str
) -> None:
    put(tmp_path, "x.csv", f"a,b\n{good},1\n{wrong},2\n,3\n".encode())
    found = batches(tmp_path, "x.csv", request={"schema": pa.schema([pa.field("a", kind), pa.field("b", pa.int64())])})
    assert [row["b"] for row in rows(found)] == [1, 3]
    assert bad(found) == [(f"{wrong},2", f"column 'a': {wrong!r} is not {words}")]


def test_a_quote_that_is_never_closed_is_set_aside(tmp_path: Path) -> None:
    put(tmp_path, "x.csv", b'a,b\n1,x\n2,"y\n3,z\n')
    found = batches(tmp_path, "x.csv")
    assert rows(found) == [{"a": 1, "b": "x"}]
    assert bad(found) == [('2,"y\n3,z\n', "a quote is opened and never closed")]


def test_a_record_larger_than_a_block_is_read(tmp_path: Path) -> None:
    long = "x\n" * 50_000
    put(tmp_path, "x.csv", f'a,b\n1,"{long}"\n2,y\n'.encode())
    assert [len(row["b"]) for row in rows(batches(tmp_path, "x.csv", request={"batch_bytes": 1000}))] == [100_000, 1]


def test_a_record_over_the_limit_is_a_clear_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("integrations.connectors.files.boundary.LARGEST_RECORD", 5000)
    put(tmp_path, "x.csv", b'a,b\n1,x\n2,"' + b"y" * 20_000)
    with pytest.raises(NeedsPerson, match="perhaps a quote is not closed") as caught:
        batches(tmp_path, "x.csv", request={"batch_bytes": 1000})
    assert caught.value.code == FILE_UNREADABLE


def test_a_header_without_an_end_is_a_clear_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("integrations.connectors.files.csv_decoder.LARGEST_RECORD", 5_000_000)
    put(tmp_path, "x.csv", b'"' + b"y" * 9_000_000)
    with pytest.raises(NeedsPerson, match="first record does not end"):
        batches(tmp_path, "x.csv")


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"\x1f\x8b\x08", "compressed by gzip"),
        (b"PK\x03\x04", "ZIP"),
        (b"PAR1", "Parquet"),
        (b"\xff\xfea\x00", "UTF-16"),
        (b"%PDF-1.7", "PDF"),
        (b"<?xml version='1.0'?>", "web page or XML"),
        (b" \n<html><body>Log in</body></html>", "web page or XML"),
        (b"a,b\n\0,1\n", "byte 4 is zero"),
        (b'[\n {"a": 1}\n]', "it is JSON"),
        (b"a,b\n1,\xe4\n", "byte 6 is not valid utf-8"),
        (b'"' + b"y" * 200_000 + b'"\n', "not CSV"),
    ],
)
def test_a_file_that_is_something_else_is_never_an_empty_success(tmp_path: Path, data: bytes, words: str) -> None:
    put(tmp_path, "x.csv", data)
    with pytest.raises(NeedsPerson, match=words) as caught:
        batches(tmp_path, "x.csv")
    assert caught.value.code == FILE_UNREADABLE


def test_a_wrong_byte_far_behind_the_head_names_its_place(tmp_path: Path) -> None:
    data = b"a,b\n" + b"1,x\n" * 2_000_000
    put(tmp_path, "x.csv", data + b"2,\xe4\n")
    with pytest.raises(NeedsPerson, match=f"byte {len(data) + 2} is not valid utf-8"):
        batches(tmp_path, "x.csv", request={"schema": INT_A})


def test_a_missing_column_is_a_clear_error_and_a_further_one_is_left_out(tmp_path: Path) -> None:
    put(tmp_path, "x.csv", b"c,b,a\n1,x,2\n")
    assert rows(batches(tmp_path, "x.csv", request={"schema": INT_A})) == [{"a": 2, "b": "x"}]
    put(tmp_path, "y.csv", b"c,b\n1,x\n")
    with pytest.raises(NeedsPerson, match="no column 'a'"):
        batches(tmp_path, "y.csv", request={"schema": INT_A})


def test_a_type_that_csv_cannot_hold_is_a_clear_error(tmp_path: Path) -> None:
    put(tmp_path, "x.csv", b"a\n1\n")
    with pytest.raises(NeedsPerson, match="CSV cannot hold"):
        batches(tmp_path, "x.csv", request={"schema": pa.schema([pa.field("a", pa.list_(pa.int64()))])})


def test_a_damaged_gzip_file_is_a_clear_error(tmp_path: Path) -> None:
    whole = gzip.compress(b"a,b\n" + os.urandom(20_000).hex().encode() + b",x\n")
    put(tmp_path, "x.csv.gz", whole[:-100])
    with pytest.raises(NeedsPerson, match="compression is damaged or it is not complete"):
        batches(tmp_path, "x.csv.gz")


CELLS = st.text(alphabet='ab",\n\r ', max_size=6)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.lists(CELLS, min_size=2, max_size=2), min_size=1, max_size=12), st.integers(1, 40))
def test_any_records_are_read_whole_with_any_block_size(
    tmp_path_factory: pytest.TempPathFactory, table: list[list[str]], size: int
) -> None:
    folder = tmp_path_factory.mktemp("any")
    sink = io.StringIO()
    csv.writer(sink, quoting=csv.QUOTE_ALL, lineterminator="\n").writerows([["a", "b"], *table])
    put(folder, "x.csv", sink.getvalue().encode())
    text = pa.schema([pa.field("a", pa.string()), pa.field("b", pa.string())])
    found = batches(folder, "x.csv", request={"schema": text, "batch_bytes": size, "batch_records": 2})
    assert [[row["a"], row["b"]] for row in rows(found)] == table


@pytest.mark.parametrize(
    ("data", "cut"),
    [
        (b"a,b\nc", 4),
        (b'"a\nb"', 0),
        (b'x\n"a\nb', 2),
        (b'x\n"a\nb"\ny', 8),
        (b'24" pipe,x\n"a\nb",', 11),
        (b'5",x\n"a\nb"\n"c\n', 11),
        (b"a\rb\r", 2),
        (b"abc", 0),
    ],
)
def test_a_block_is_cut_after_its_last_whole_record(data: bytes, cut: int) -> None:
    assert CsvCutter(",").cut(data) == cut


@pytest.mark.skipif(not SPECTRUM.is_dir(), reason="csv-spectrum is absent: set CSV_SPECTRUM to its folder")
@pytest.mark.parametrize("name", sorted(path.stem for path in (SPECTRUM / "csvs").glob("*.csv")))
def test_csv_spectrum_is_read_as_its_authors_say(name: str) -> None:
    expected = json.loads((SPECTRUM / "json" / f"{name}.json").read_text(encoding="utf-8"))
    columns = (SPECTRUM / "csvs" / f"{name}.csv").read_text(encoding="utf-8").splitlines()[0].split(",")
    schema = pa.schema([pa.field(column, pa.string()) for column in columns])
    made = connector(SPECTRUM / "csvs")
    found = rows(list(made.read(ReadRequest(f"{name}.csv", schema=schema))))
    made.close()
    if name == "location_coordinates":  # here the JSON has another telephone number than the CSV, and is no list
        expected = [expected | {"Contact Phone Number": "2095257564"}]
    assert [{k: v or "" for k, v in row.items()} for row in found] == expected


@pytest.mark.parametrize("form", ["csv", "jsonl"])
def test_batches_of_one_block_share_its_bytes_and_progress_follows_the_records(tmp_path: Path, form: str) -> None:
    lines = [
        b"a" if form == "csv" else b'{"a":0}',
        *(b"%d" % n if form == "csv" else b'{"a":%d}' % n for n in range(100, 500)),
    ]
    size = len(put(tmp_path, "x", b"\n".join(lines)).read_bytes())
    found = batches(tmp_path, "x", form, request={"batch_records": 50})
    shares = [batch.progress or 0 for batch in found]
    assert all(size * 0.1 < batch.read_bytes < size * 0.15 for batch in found[:8])
    assert sum(batch.read_bytes for batch in found) == pytest.approx(size, abs=2)
    assert shares[:8] == [pytest.approx((n + 1) / 8, abs=0.01) for n in range(8)]


def test_a_read_that_goes_on_within_a_block_counts_what_is_left_of_it(tmp_path: Path) -> None:
    size = len(put(tmp_path, "x", b"a\n" + b"100\n" * 400).read_bytes())
    whole = batches(tmp_path, "x", request={"batch_records": 100})
    rest = batches(tmp_path, "x", request={"batch_records": 100, "cursor": whole[0].cursor})
    assert [batch.read_bytes for batch in rest[:3]] == [batch.read_bytes for batch in whole[1:]]
    assert sum(batch.read_bytes for batch in whole) == pytest.approx(size, abs=2)
    assert [batch.progress for batch in rest[:3]] == [batch.progress for batch in whole[1:]]
