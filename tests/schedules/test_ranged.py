"""Reading a range: in each connector, exactly the records whose value lies in it."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import pyarrow as pa
import pytest

from integrations.connectors.base import Connector, Context, Range, ReadRequest
from integrations.connectors.files import FilesConnector
from integrations.connectors.postgres import PostgresConnector
from integrations.connectors.ranged import RangedSource, check_range, range_fields
from integrations.connectors.rest_api.config import StreamConfig
from integrations.connectors.rest_api.range import bounds_of, range_fields_of
from integrations.errors import NeedsPerson
from tests.connectors.test_postgres_conformance import context_of
from tests.runs.listed import Listed

MAY = ("2026-05-03", "2026-05-06")
STAMP = pa.timestamp("us", tz="UTC")


def read(connector: Connector, stream: str, within: Range, **given: Any) -> list[int]:
    source = RangedSource(connector, within)
    request = ReadRequest(stream, schema=connector.describe(stream).schema, batch_records=2, **given)
    return [row["id"] for batch in source.read(request) for row in batch.records.to_pylist()]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    lines = "".join(f"{day},2026-05-{day:02}T08:00:00Z\n" for day in range(1, 11))
    (tmp_path / "orders.csv").write_text(f"id,changed\n{lines}")
    return tmp_path


def files(folder: Path) -> FilesConnector:
    return FilesConnector(Context({"path": ".", "pattern": "*.csv", "format": "csv"}, file_root=str(folder)))


def test_files_give_the_records_of_a_column_s_range(folder: Path) -> None:
    connector = files(folder)
    assert set(range_fields(connector, "*.csv")) == {"_file", "id", "changed"}
    assert read(connector, "*.csv", Range("changed", *MAY)) == [3, 4, 5]
    assert read(connector, "*.csv", Range("id", "9", "100")) == [9, 10]


def test_files_give_those_that_were_changed_in_a_range_of_time(folder: Path) -> None:
    (folder / "late.csv").write_text("id,changed\n77,2026-06-01T00:00:00Z\n")
    for name, day in (("orders.csv", 1), ("late.csv", 4)):
        moment = datetime(2026, 5, day, 12, tzinfo=UTC).timestamp()
        os.utime(folder / name, (moment, moment))
    assert read(files(folder), "*.csv", Range("_file", *MAY)) == [77]


@pytest.mark.parametrize(
    ("field", "low", "high", "expected"),
    [
        ("changed", *MAY, [3, 4, 5]),
        ("changed", "2026-05-03T10:00:00+02:00", "2026-05-04T08:00:01Z", [3, 4]),
        ("id", "8", "100", [8, 9, 10, 11]),
        ("amount", "2.5", "4", [3]),
    ],
)
def test_postgres_reads_the_range_alone(
    postgres_database: str, field: str, low: str, high: str, expected: list[int]
) -> None:
    with psycopg.connect(postgres_database, autocommit=True) as database:
        database.execute("CREATE TABLE orders (id int PRIMARY KEY, changed timestamptz, amount numeric(6,2))")
        database.execute(
            "INSERT INTO orders SELECT day, make_timestamptz(2026, 5, day, 8, 0, 0, 'UTC'), day"
            " FROM generate_series(1, 10) day"
        )
        database.execute("INSERT INTO orders VALUES (11, NULL, NULL)")
        context = context_of(postgres_database)
        assert read(PostgresConnector(context), "orders", Range(field, low, high)) == expected


def test_an_api_is_asked_for_a_little_more_than_the_range() -> None:
    stream = StreamConfig("orders", "/orders", cursor_field="updated_at", cursor_param="since", until_param="until")
    asked = dict(bounds_of(stream, Range("updated_at", "2026-05-03T00:00:00Z", "2026-05-06T00:00:00Z")))
    assert asked == {"since": "2026-05-02T23:59:30Z", "until": "2026-05-06T00:00:30Z"}
    assert range_fields_of(stream) == ("updated_at",)


def test_an_api_without_a_parameter_for_it_says_what_to_declare() -> None:
    with pytest.raises(NeedsPerson) as refused:
        range_fields_of(StreamConfig("orders", "/orders"))
    assert "cursor_param" in refused.value.what_to_do


def test_a_connector_that_reads_no_ranges_says_so() -> None:
    with pytest.raises(NeedsPerson, match="cannot be asked for a range"):
        range_fields(Listed(Context({})), "rows")


@pytest.mark.parametrize(
    ("kind", "low", "high"),
    [(pa.int64(), "1", "x"), (pa.date32(), "2026-13-01", "2026-12-01"), (pa.decimal128(6, 2), "a", "1"),
     (STAMP, "tomorrow", "2026-01-01"), (pa.int64(), "5", "5"), (STAMP, "2026-05-02", "2026-05-01"),
     (pa.int8(), "1", "900")],
)  # fmt: skip
def test_bounds_that_are_no_values_or_the_wrong_way_round_are_refused(kind: pa.DataType, low: str, high: str) -> None:
    with pytest.raises(NeedsPerson):
        check_range(Range("field", low, high), pa.schema([("field", kind)]))
