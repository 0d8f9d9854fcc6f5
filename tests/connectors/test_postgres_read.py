"""What the PostgreSQL connector reads: types, ties, NULLs, keys, and what it refuses."""

from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from typing import Any

import psycopg
import pyarrow as pa
import pytest

from integrations.connectors.base import Batch, Context, Limits, ReadRequest
from integrations.connectors.postgres import PostgresConnector
from integrations.errors import (
    CREDENTIAL_REFUSED,
    CURSOR_INVALID,
    KEY_MISSING,
    PERMISSION_MISSING,
    REQUEST_REFUSED,
    SETTINGS_INVALID,
    SOURCE_CHANGED,
    TIMED_OUT,
    UNREACHABLE,
    NeedsPerson,
    RetryLater,
)
from tests.connectors.test_postgres_conformance import context_of, run


@pytest.fixture
def url(clean_postgres: str) -> str:
    return clean_postgres


def read(url: str, stream: str, **request: Any) -> Iterator[Batch]:
    return PostgresConnector(context_of(url)).read(ReadRequest(stream, **request))


def values(url: str, stream: str, column: str, **request: Any) -> list[Any]:
    return [row[column] for batch in read(url, stream, **request) for row in batch.records.to_pylist()]


def read_in_slices(url: str, request: ReadRequest) -> list[dict[str, Any]]:
    """Read with a new connection after every batch, as slices do at their worst."""
    rows: list[dict[str, Any]] = []
    for _ in range(10_000):
        batch = next(PostgresConnector(context_of(url)).read(request), None)
        if batch is None:
            return rows
        rows += batch.records.to_pylist()
        request = replace(request, cursor=batch.cursor)
    raise AssertionError("the read does not end")


TYPED = [
    ("smallint", "-7", pa.int16(), -7),
    ("bigint", str(2**63 - 1), pa.int64(), 2**63 - 1),
    ("oid", "4000000000", pa.int64(), 4_000_000_000),
    ("numeric(12,3)", "-1234.500", pa.decimal128(12, 3), Decimal("-1234.500")),
    ("numeric", "1e40", pa.string(), "1" + "0" * 40),
    ("char(5)", "ab", pa.string(), "ab"),
    ("bytea", "\\x00ff", pa.binary(), b"\x00\xff"),
    ("uuid", "314C3A8F-8A2B-4AC7-B789-221D4DF066B4", pa.string(), "314c3a8f-8a2b-4ac7-b789-221d4df066b4"),
    ("jsonb", '{"a": [1, null]}', pa.string(), '{"a": [1, null]}'),
    ("inet", "10.0.0.1/8", pa.string(), "10.0.0.1/8"),
    ("text[]", '{a,NULL,"b c"}', pa.string(), '["a",null,"b c"]'),
    ("int[]", "{{1,2},{3,4}}", pa.string(), "[[1,2],[3,4]]"),
    ("interval", "1 day 02:03:04.000005", pa.string(), "1 day 02:03:04.000005"),
    ("int4range", "[1,5)", pa.string(), "[1,5)"),
    ("money_amount", "3.25", pa.decimal128(8, 2), Decimal("3.25")),
    ("bool", "t", pa.bool_(), True),
]


@pytest.mark.parametrize(("declared", "text", "kind", "value"), TYPED, ids=[case[0] for case in TYPED])
def test_a_type_arrives_as_something_sensible(
    url: str, declared: str, text: str, kind: pa.DataType, value: Any
) -> None:
    run(url, "CREATE DOMAIN money_amount AS numeric(8,2)", f"CREATE TABLE t (id int PRIMARY KEY, v {declared})")
    run(url, f"INSERT INTO t VALUES (1, '{text}'), (2, NULL)")
    (batch,) = read(url, "t")
    assert batch.records.schema.field("v").type == kind
    assert batch.records.column("v").to_pylist() == [value, None]


@pytest.mark.fault("F29")
def test_five_thousand_equal_cursor_values_are_read_exactly_across_batches(url: str) -> None:
    run(url, "CREATE TABLE e (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), n int, at timestamptz NOT NULL)")
    run(url, "INSERT INTO e (n, at) SELECT n, '2026-01-01 10:00:00.123456Z' FROM generate_series(1, 5000) n")
    run(url, "INSERT INTO e (n, at) SELECT n, '2026-01-01 10:00:00.123457Z' FROM generate_series(5001, 5100) n")
    rows = read_in_slices(url, ReadRequest("e", cursor_field="at", batch_records=333))
    assert sorted(row["n"] for row in rows) == list(range(1, 5101))


def test_rows_with_a_null_cursor_value_are_read_once_and_new_ones_later(url: str) -> None:
    run(url, "CREATE TABLE e (id int PRIMARY KEY, at date)")
    run(url, "INSERT INTO e SELECT n, CASE WHEN n % 3 > 0 THEN date '2026-01-01' + n END FROM generate_series(1, 50) n")
    request = ReadRequest("e", cursor_field="at", batch_records=7)
    assert sorted(row["id"] for row in read_in_slices(url, request)) == list(range(1, 51))
    *_, last = read(url, "e", cursor_field="at")
    run(url, "INSERT INTO e VALUES (60, NULL), (61, '2027-01-01')")
    assert values(url, "e", "id", cursor_field="at", cursor=last.cursor) == [60, 61]


KEYS = [
    ("numeric", ["0.1", "0.10000000000000000001", "1e30"]),
    ("timestamp", ["0044-03-15 00:00:00 BC", "0001-01-01 00:00:00", "10000-01-01 00:00:00.000001"]),
    ("float8", ["-0.1", "0.30000000000000004", "1e308"]),
    ("text", ["", "'quoted'", "back\\slash"]),
    ("bytea", ["\\x00", "\\x5c", "\\xff"]),
    ("time", ["00:00:00", "10:00:00.000001", "23:59:59.999999"]),
    ("bool", ["f", "t"]),
    ("int[]", ["{1,2}", "{10}", "{9}"]),
    ("inet", ["1.2.3.4", "1.2.3.5", "::1"]),
    ("date", ["-infinity", "0001-12-31 BC", "infinity"]),
    ("timestamptz", ["-infinity", "2026-01-01", "infinity"]),
]


@pytest.mark.parametrize(("declared", "keys"), KEYS, ids=[case[0] for case in KEYS])
def test_a_key_of_any_type_can_be_continued_from_exactly(url: str, declared: str, keys: list[str]) -> None:
    run(url, f"CREATE TABLE k (n int, k {declared} PRIMARY KEY)")
    with psycopg.connect(url) as connection:
        connection.cursor().executemany("INSERT INTO k VALUES (%s, %s)", list(enumerate(keys)))
    schema = pa.schema([("n", pa.int32())])
    rows = read_in_slices(url, ReadRequest("k", schema=schema, batch_records=1))
    assert sorted(row["n"] for row in rows) == list(range(len(keys)))


@pytest.mark.parametrize(
    ("declared", "odd", "fine"),
    [
        ("numeric(6,2)", "NaN", "1.5"),
        ("timestamptz", "infinity", "2026-01-01"),
        ("timestamp", "-infinity", "4713-01-01 BC"),
        ("date", "-infinity", "4713-01-01 BC"),
    ],
)
def test_a_value_without_an_equal_is_set_aside_with_its_words(url: str, declared: str, odd: str, fine: str) -> None:
    run(url, f"CREATE TABLE t (id int PRIMARY KEY, v {declared})", f"INSERT INTO t VALUES (1, '{odd}'), (2, '{fine}')")
    (batch,) = read(url, "t")
    assert batch.records.column("id").to_pylist() == [2]
    assert [bad.raw for bad in batch.bad] == [f'{{"id":"1","v":"{odd}"}}']


def test_a_view_is_read_by_the_key_that_the_stream_names(url: str) -> None:
    run(url, "CREATE VIEW v AS SELECT n, n % 10 AS digit FROM generate_series(1, 100) n")
    rows = read_in_slices(url, ReadRequest("v", primary_key=("n",), batch_records=30))
    assert [row["n"] for row in rows] == list(range(1, 101))


@pytest.mark.parametrize("key", ["digit", "nothing"])
def test_a_key_that_cannot_be_continued_from_is_refused_and_loses_nothing(url: str, key: str) -> None:
    run(url, "CREATE VIEW v AS SELECT n, n % 10 AS digit, NULLIF(n, 100) AS nothing FROM generate_series(1, 100) n")
    with pytest.raises(NeedsPerson) as caught:
        read_in_slices(url, ReadRequest("v", primary_key=(key,), batch_records=25))
    assert caught.value.code == KEY_MISSING


def test_a_view_without_a_key_is_read_whole(url: str) -> None:
    run(url, "CREATE VIEW v AS SELECT n FROM generate_series(1, 100) n")
    assert values(url, "v", "n", batch_records=30) == list(range(1, 101))


def test_an_incremental_read_without_a_key_is_refused(url: str) -> None:
    run(url, "CREATE TABLE t (at date)")
    with pytest.raises(NeedsPerson) as caught:
        list(read(url, "t", cursor_field="at"))
    assert caught.value.code == KEY_MISSING


def test_a_table_without_a_key_is_continued_while_rows_are_added_and_not_after_an_update(url: str) -> None:
    run(url, "CREATE TABLE t (n int, filler text)")
    run(url, "INSERT INTO t SELECT n, repeat('x', 500) FROM generate_series(1, 100) n")
    first = next(read(url, "t", batch_records=40))
    run(url, "INSERT INTO t VALUES (101, '')")
    assert values(url, "t", "n", cursor=first.cursor) == list(range(41, 102))
    run(url, "UPDATE t SET n = -n WHERE n > 90", "SELECT pg_stat_force_next_flush()", "SELECT 1 AS one")
    with pytest.raises(NeedsPerson) as caught:
        list(read(url, "t", cursor=first.cursor))
    assert caught.value.code == CURSOR_INVALID


def test_a_column_that_is_gone_or_changed_stops_the_run(url: str) -> None:
    run(url, "CREATE TABLE t (id int PRIMARY KEY, v text)", "INSERT INTO t VALUES (1, 'a')")
    (batch,) = read(url, "t")
    for change in ("ALTER TABLE t ALTER v TYPE int USING 1", "ALTER TABLE t DROP v"):
        run(url, change)
        with pytest.raises(NeedsPerson) as caught:
            list(read(url, "t", schema=batch.records.schema))
        assert caught.value.code == SOURCE_CHANGED


@pytest.mark.parametrize("request_", [{"primary_key": ("gone",)}, {"cursor_field": "gone"}], ids=str)
def test_an_ordering_column_that_is_gone_stops_the_run(url: str, request_: dict[str, Any]) -> None:
    run(url, "CREATE TABLE t (id int PRIMARY KEY)")
    with pytest.raises(NeedsPerson) as caught:
        list(read(url, "t", **request_))
    assert caught.value.code == SOURCE_CHANGED


def test_progress_goes_on_from_where_the_last_slice_stood(url: str) -> None:
    run(url, "CREATE TABLE t (id int PRIMARY KEY)", "INSERT INTO t SELECT generate_series(1, 10000)", "ANALYZE t")
    batches = list(read(url, "t", batch_records=2500))
    assert [batch.progress for batch in batches] == [0.25, 0.5, 0.75, 1.0]
    resumed = next(read(url, "t", batch_records=2500, cursor=batches[1].cursor))
    assert resumed.progress == pytest.approx(0.75, abs=0.02)


@pytest.mark.security("SEC-091")
def test_reading_cannot_write_even_through_a_function_of_the_source(url: str) -> None:
    run(
        url,
        "CREATE TABLE t (id int PRIMARY KEY)",
        "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'DELETE FROM t RETURNING 1'",
    )
    run(url, "CREATE VIEW v AS SELECT f() AS n")
    with pytest.raises(NeedsPerson) as caught:
        list(read(url, "v"))
    assert caught.value.code == PERMISSION_MISSING


def test_a_view_that_fails_is_named_with_the_words_of_the_database(url: str) -> None:
    run(url, "CREATE VIEW v AS SELECT 1 / (n - 5000) AS x FROM generate_series(1, 9000) n")
    with pytest.raises(NeedsPerson) as caught:
        list(read(url, "v", batch_bytes=1024))
    assert (caught.value.code, caught.value.message) == (REQUEST_REFUSED, "PostgreSQL: division by zero")


def test_a_read_that_takes_too_long_is_ended_by_the_server(url: str) -> None:
    run(url, "CREATE VIEW v AS SELECT pg_sleep(60)::text AS x")
    context = replace(context_of(url), limits=Limits(read_timeout_seconds=0.03))
    with pytest.raises(RetryLater) as caught:
        list(PostgresConnector(context).read(ReadRequest("v")))
    assert caught.value.code == TIMED_OUT


def test_a_connection_that_is_cut_while_reading_is_retried_later(url: str) -> None:
    run(url, "CREATE TABLE t (id int PRIMARY KEY, v text)")
    run(url, "INSERT INTO t SELECT n, repeat('x', 1000) FROM generate_series(1, 30000) n")
    batches = read(url, "t", batch_bytes=10_000)
    next(batches)
    run(url, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'signalbox'")
    with pytest.raises(RetryLater) as caught:
        list(batches)
    assert caught.value.code == UNREACHABLE


def test_a_table_that_the_user_may_not_read_is_not_offered_and_refused(url: str) -> None:
    run(url, "CREATE TABLE shut (id int PRIMARY KEY)", "DROP ROLE IF EXISTS reader", "CREATE ROLE reader LOGIN")
    connector = PostgresConnector(context_of(url, user="reader"))
    assert connector.discover() == []
    with pytest.raises(NeedsPerson) as caught:
        list(connector.read(ReadRequest("shut")))
    assert caught.value.code == PERMISSION_MISSING
    verdict = connector.check()
    assert (verdict.ok, verdict.what_to_do) == (True, "")


def test_a_role_that_does_not_exist_is_a_refused_credential(url: str) -> None:
    verdict = PostgresConnector(context_of(url, user="nobody_here")).check()
    assert (verdict.ok, verdict.code) == (False, CREDENTIAL_REFUSED)


def test_discovery_lists_tables_views_keys_and_cursors(url: str) -> None:
    run(
        url,
        "CREATE TABLE t (b int, a int, at timestamptz, v jsonb, PRIMARY KEY (a, b))",
        "CREATE VIEW v AS SELECT 1 AS x",
    )
    run(url, "CREATE TABLE parts (id int PRIMARY KEY) PARTITION BY RANGE (id)")
    run(url, "CREATE TABLE part1 PARTITION OF parts FOR VALUES FROM (0) TO (9)", "CREATE TABLE signalbox_checkpoint ()")
    streams = {stream.name: stream for stream in PostgresConnector(context_of(url)).discover()}
    assert set(streams) == {"parts", "t", "v"}
    assert streams["t"].primary_key == ("a", "b")
    assert streams["t"].cursor_fields == ("b", "a", "at")


@pytest.mark.parametrize(
    "wrong",
    [
        {"host": "a,b"}, {"host": ""}, {"host": "@abstract"}, {"database": "host=/tmp dbname=x"}, {"port": 0},
        {"database": "postgresql://elsewhere/db"}, {"database": ""}, {"port": "x"}, {"sslmode": "allow"},
        {"user": "a\nb"}, {"service": "x"}, {"passfile": "/x"}, {"schema": 7},
    ],
    ids=str,
)  # fmt: skip
@pytest.mark.security("SEC-092")
def test_settings_that_reach_further_than_one_server_are_refused(wrong: dict[str, Any]) -> None:
    settings = {"host": "db.example.org", "database": "shop", **wrong}
    with pytest.raises(NeedsPerson) as caught:
        PostgresConnector(Context(settings, {"username": "u", "password": "hidden-word"}))
    assert caught.value.code == SETTINGS_INVALID


def test_encryption_that_the_server_does_not_offer_is_refused(url: str) -> None:
    verdicts = [PostgresConnector(context_of(url, sslmode=mode)).check() for mode in ("require", "verify-full")]
    assert [verdict.code for verdict in verdicts] == [SETTINGS_INVALID] * 2


@pytest.mark.security("SEC-092")
def test_the_environment_of_the_worker_adds_nothing_to_a_connection(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGOPTIONS", "-c no_such_setting=1")
    monkeypatch.setenv("PGPASSFILE", "/etc/passwd")
    assert PostgresConnector(context_of(url)).check().ok
