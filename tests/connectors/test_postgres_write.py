"""What the PostgreSQL connector writes: types, upserts, fences, refusals, and runs that are cut off."""

import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import psycopg
import pyarrow as pa
import pytest
from psycopg import sql

from integrations.connectors.base import Commit, Limits, ReadRequest, WriteMode, Writer, WriteRequest
from integrations.connectors.postgres import PostgresConnector
from integrations.connectors.sql import Array
from integrations.errors import (
    KEY_MISSING,
    LEASE_LOST,
    PERMISSION_MISSING,
    TABLE_INCOMPATIBLE,
    TIMED_OUT,
    UNREACHABLE,
    NeedsPerson,
    RecordsRefused,
    RetryLater,
    StopRun,
)
from tests.connectors.test_postgres_conformance import context_of, run

COMMIT = Commit("run-1", 1, {"after": 1})
UPSERT, APPEND = WriteMode.UPSERT, WriteMode.APPEND


@pytest.fixture
def url(clean_postgres: str) -> str:
    return clean_postgres


@pytest.fixture
def opened(url: str) -> Iterator[Any]:
    """Open writers that are closed after the test."""
    with ExitStack() as stack:

        def open_(schema_: pa.Schema, *key: str, fence: int = 1, **changed: Any) -> Writer:
            mode = UPSERT if key else APPEND
            request = replace(WriteRequest("t", schema_, mode, key, "deployment", fence), **changed)
            return stack.enter_context(PostgresConnector(context_of(url)).open_writer(request))

        yield open_


def batch(**columns: list[Any]) -> pa.RecordBatch:
    return pa.record_batch(columns)


NAIVE = datetime(2026, 1, 1, 12)  # noqa: DTZ001 - a timestamp without a zone is what is meant
TYPED = [
    ("uuid", pa.array(["314c3a8f-8a2b-4ac7-b789-221d4df066b4"]), uuid.UUID("314c3a8f-8a2b-4ac7-b789-221d4df066b4")),
    ("jsonb", pa.array([{"a": [1, None], "b": "ü"}]), {"a": [1, None], "b": "ü"}),
    ("jsonb", pa.array([[1, 2]]), [1, 2]),
    ("text[]", pa.array([["a", None, "b c"]]), ["a", None, "b c"]),
    ("int[]", pa.array(["{1,2}"]), [1, 2]),
    ("int", pa.array([7], pa.int64()), 7),
    ("smallint", pa.array([7], pa.uint64()), 7),
    ("numeric(8,2)", pa.array(["1.50"]), Decimal("1.50")),
    ("numeric", pa.array([Decimal("1.500")], pa.decimal128(38, 3)), Decimal("1.500")),
    ("varchar(3)", pa.array(["abc"]).dictionary_encode(), "abc"),
    ("bytea", pa.array([b"\x00\xff"], pa.large_binary()), b"\x00\xff"),
    ("timestamptz", pa.array([NAIVE], pa.timestamp("ms")), datetime(2026, 1, 1, 12, tzinfo=UTC)),
    ("timestamp", pa.array(["2026-01-01 12:00:00.000001"]), NAIVE.replace(microsecond=1)),
    ("date", pa.array([date(2026, 1, 1)], pa.date64()), date(2026, 1, 1)),
    ("time", pa.array([time(1, 2, 3)], pa.time32("s")), time(1, 2, 3)),
    ("interval", pa.array([timedelta(days=1, seconds=2)], pa.duration("us")), timedelta(days=1, seconds=2)),
    ("inet", pa.array(["10.0.0.1"], pa.string_view()), "10.0.0.1"),
    ("bool", pa.array(["true"]), True),
    ("text", pa.array([None], pa.null()), None),
    ("small_number", pa.array([5], pa.int8()), 5),
]


@pytest.mark.parametrize(("declared", "values", "expected"), TYPED, ids=[f"{c[1].type} to {c[0]}" for c in TYPED])
def test_a_value_reaches_a_column_of_the_targets_type(
    url: str, opened: Any, declared: str, values: Array, expected: Any
) -> None:
    run(url, "CREATE DOMAIN small_number AS int CHECK (VALUE < 10)", f"CREATE TABLE t (v {declared})")
    records = pa.record_batch([values], names=["v"])
    opened(records.schema).write(records, COMMIT)
    (row,) = run(url, "SELECT v FROM t")
    assert (str(row["v"]) if declared == "inet" else row["v"]) == expected


def test_a_missing_table_is_created_with_the_types_and_the_key_of_the_records(url: str, opened: Any) -> None:
    records = pa.record_batch(
        {
            "id": pa.array([uuid.UUID(int=1).bytes], pa.uuid()),
            "n": pa.array([Decimal("1.50")], pa.decimal128(10, 2)),
            "at": pa.array([datetime(2026, 1, 1, tzinfo=UTC)], pa.timestamp("ns", tz="UTC")),
            "tags": pa.array([["a"]]),
        }
    )
    opened(records.schema, "id").write(records, COMMIT)
    columns = run(url, "SELECT column_name AS n, data_type AS t FROM information_schema.columns WHERE table_name = 't'")
    types = {column["n"]: column["t"] for column in columns}
    assert types == {"id": "uuid", "n": "numeric", "at": "timestamp with time zone", "tags": "jsonb"}
    assert next(PostgresConnector(context_of(url)).read(ReadRequest("t"))).cursor["order"] == ["id"]


def test_of_equal_keys_in_one_batch_the_last_holds(url: str, opened: Any) -> None:
    run(url, "CREATE TABLE t (id uuid, part int, v text, UNIQUE (part, id))")
    lower = "314c3a8f-8a2b-4ac7-b789-221d4df066b4"
    records = batch(id=[lower, lower.upper(), lower], part=[1, 1, 2], v=["first", "last", "other"])
    writer = opened(records.schema, "id", "part")
    writer.write(records, COMMIT)
    writer.write(batch(id=[lower], part=[2], v=["changed"]), replace(COMMIT, batch_number=2))
    assert run(url, "SELECT part, v FROM t ORDER BY part") == [{"part": 1, "v": "last"}, {"part": 2, "v": "changed"}]


def test_records_that_are_all_key_are_stored_once(url: str, opened: Any) -> None:
    records = batch(id=[1, 2, 1])
    writer = opened(records.schema, "id")
    writer.write(records, COMMIT)
    writer.write(records, replace(COMMIT, batch_number=2))
    assert run(url, "SELECT id FROM t ORDER BY id") == [{"id": 1}, {"id": 2}]


REFUSED = [
    ("v varchar(3)", pa.array(["too long"]), "value too long for type character varying(3)"),
    ("v int", pa.array([2**40]), "integer out of range"),
    ("v int", pa.array(["seven"]), 'invalid input syntax for type integer: "seven"'),
    ("v jsonb", pa.array(["{"]), "invalid input syntax for type json"),
    ("v text NOT NULL", pa.array([None], pa.string()), "violates not-null constraint"),
    ("v int CHECK (v > 0)", pa.array([-1]), "violates check constraint"),
    ("v int REFERENCES other DEFERRABLE INITIALLY DEFERRED", pa.array([1]), "violates foreign key constraint"),
    ("v text UNIQUE", pa.array(["a", "a"]), "violates unique constraint"),
    ("v text", pa.array(["a\0b"]), "invalid byte sequence"),
    ("v timestamp", pa.array([1_000_000_001], pa.timestamp("ns")), "would lose data"),
]


@pytest.mark.parametrize(("declared", "values", "words"), REFUSED, ids=[case[2] for case in REFUSED])
def test_a_record_that_the_table_refuses_is_refused_in_its_words(
    url: str, opened: Any, declared: str, values: Array, words: str
) -> None:
    run(url, "CREATE TABLE other (id int PRIMARY KEY)", f"CREATE TABLE t ({declared})")
    records = pa.record_batch([values], names=["v"])
    writer = opened(records.schema)
    attempts: list[Callable[[], None]] = [lambda: writer.probe(records), lambda: writer.write(records, COMMIT)]
    for attempt in attempts:
        with pytest.raises(RecordsRefused) as caught:
            attempt()
        assert words in caught.value.message
        assert "Failing row" not in caught.value.message
    assert (run(url, "SELECT * FROM t"), writer.checkpoint()) == ([], None)


def test_a_probe_stores_nothing(url: str, opened: Any) -> None:
    records = batch(id=[1])
    writer = opened(records.schema, "id")
    writer.probe(records)
    assert (run(url, "SELECT * FROM t"), writer.checkpoint()) == ([], None)


UNFIT = [
    ("CREATE TABLE t (id int)", {"mode": UPSERT, "key": ("id",)}, KEY_MISSING),
    (
        "CREATE TABLE t (id int); CREATE UNIQUE INDEX ON t (id) WHERE id > 0",
        {"mode": UPSERT, "key": ("id",)},
        KEY_MISSING,
    ),
    ("CREATE TABLE t (id int, b int, UNIQUE (id, b))", {"mode": UPSERT, "key": ("id",)}, KEY_MISSING),
    ("SELECT 1", {"mode": UPSERT}, KEY_MISSING),
    ("SELECT 1", {"mode": UPSERT, "key": ("other",)}, KEY_MISSING),
    ("SELECT 1", {"create": False}, TABLE_INCOMPATIBLE),
    ("CREATE TABLE t (other int)", {}, TABLE_INCOMPATIBLE),
    ("CREATE TABLE t (id int GENERATED ALWAYS AS IDENTITY)", {}, TABLE_INCOMPATIBLE),
    ("SELECT 1", {"schema": pa.schema([("id", pa.decimal32(5, 2))])}, TABLE_INCOMPATIBLE),
]


@pytest.mark.parametrize(("statement", "changed", "code"), UNFIT)
def test_a_table_that_does_not_fit_is_refused_before_anything_is_written(
    url: str, opened: Any, statement: str, changed: dict[str, Any], code: str
) -> None:
    run(url, *statement.split("; "))
    with pytest.raises(NeedsPerson) as caught:
        opened(batch(id=[1]).schema, **changed)
    assert caught.value.code == code


def test_a_cast_that_does_not_exist_is_an_incompatible_table(url: str, opened: Any) -> None:
    run(url, "CREATE TABLE t (id uuid)")
    writer = opened(batch(id=[1]).schema)
    with pytest.raises(NeedsPerson) as caught:
        writer.write(batch(id=[1]), COMMIT)
    assert caught.value.code == TABLE_INCOMPATIBLE


def test_a_missing_right_is_named(url: str) -> None:
    run(url, "DROP ROLE IF EXISTS visitor", "CREATE ROLE visitor LOGIN")
    request = WriteRequest("t", batch(id=[1]).schema, APPEND, (), "o", 1)
    with (
        pytest.raises(NeedsPerson) as caught,
        PostgresConnector(context_of(url, user="visitor")).open_writer(request),
    ):
        pass
    assert caught.value.code == PERMISSION_MISSING
    assert "permission denied for schema public" in caught.value.message


@pytest.mark.fault("F18")
def test_a_locked_table_is_waited_for_shortly_and_retried_later(url: str) -> None:
    run(url, "CREATE TABLE t (id bigint)")
    context = replace(context_of(url), limits=Limits(read_timeout_seconds=0.5))
    request = WriteRequest("t", batch(id=[1]).schema, APPEND, (), "o", 1)
    with psycopg.connect(url) as other, PostgresConnector(context).open_writer(request) as writer:
        other.execute("LOCK TABLE t")
        with pytest.raises(RetryLater) as caught:
            writer.write(batch(id=[1]), COMMIT)
        other.rollback()
        writer.write(batch(id=[1]), COMMIT)
    assert caught.value.code == TIMED_OUT
    assert run(url, "SELECT id FROM t") == [{"id": 1}]


@pytest.mark.fault("F10")
def test_a_worker_that_stops_inside_a_transaction_is_ended_by_the_server(url: str, opened: Any) -> None:
    context = replace(context_of(url), limits=Limits(read_timeout_seconds=0.2))
    request = WriteRequest("t", batch(id=[1]).schema, APPEND, (), "deployment", 1)
    with PostgresConnector(context).open_writer(request) as paused:
        paused._session.run(sql.SQL("BEGIN"))  # type: ignore[attr-defined]
        paused._store_commit(paused._session, COMMIT)  # type: ignore[attr-defined]
        opened(batch(id=[1]).schema, fence=2).write(batch(id=[2]), COMMIT)  # waits until the server ends the other
        with pytest.raises(RetryLater) as caught:
            paused._session.run(sql.SQL("COMMIT"))  # type: ignore[attr-defined]
    assert caught.value.code in {TIMED_OUT, UNREACHABLE}
    assert run(url, "SELECT id FROM t") == [{"id": 2}]


def test_a_connection_that_is_cut_is_retried_later_and_nothing_is_half_stored(url: str, opened: Any) -> None:
    writer = opened(batch(id=[1]).schema)
    run(url, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'signalbox'")
    with pytest.raises(RetryLater) as caught:
        writer.write(batch(id=[1]), COMMIT)
    assert caught.value.code == UNREACHABLE
    assert run(url, "SELECT id FROM t") == []


def test_a_refused_batch_that_was_staged_ahead_is_mended_and_written(url: str, opened: Any) -> None:
    run(url, "CREATE TABLE t (id bigint CHECK (id < 10))")
    bad, good = batch(id=[1, 99]), batch(id=[1])
    writer = opened(bad.schema)
    for _ in range(5):
        writer.stage(bad)
        with pytest.raises(RecordsRefused):
            writer.write(bad, COMMIT)
    writer.stage(good)
    writer.write(good, COMMIT)
    assert run(url, "SELECT id FROM t") == [{"id": 1}]


def test_a_batch_that_is_refused_moves_no_checkpoint(url: str, opened: Any) -> None:
    run(url, "CREATE TABLE t (id bigint CHECK (id < 10))")
    writer = opened(batch(id=[1]).schema)
    writer.write(batch(id=[1]), COMMIT)
    with pytest.raises(RecordsRefused):
        writer.write(batch(id=[99]), replace(COMMIT, batch_number=2))
    stored = writer.checkpoint()
    assert (stored.run, stored.batch_number) == (COMMIT.run, COMMIT.batch_number)


def test_keys_that_are_there_are_replaced_and_the_others_inserted_batch_after_batch(url: str, opened: Any) -> None:
    run(url, "CREATE TABLE t (id bigint PRIMARY KEY, v text)")
    run(url, "INSERT INTO t SELECT n, 'old' FROM generate_series(1, 40) n")
    writer = opened(batch(id=[1], v=["new"]).schema, "id")
    for first in range(31, 60):
        records = batch(id=[first, first + 1], v=["new", "new"])
        if first % 2:
            writer.stage(records)
        writer.write(records, COMMIT)
    assert run(url, "SELECT v, count(*) AS n FROM t GROUP BY v ORDER BY v") == [
        {"v": "new", "n": 30},
        {"v": "old", "n": 30},
    ]


def test_a_record_that_breaks_another_unique_index_is_refused_and_its_batch_undone(url: str, opened: Any) -> None:
    run(url, "CREATE TABLE t (id bigint PRIMARY KEY, mail text UNIQUE)")
    run(url, "INSERT INTO t VALUES (1, 'a')")
    writer = opened(batch(id=[1], mail=["a"]).schema, "id")
    with pytest.raises(RecordsRefused):
        writer.write(batch(id=[2, 3], mail=["b", "a"]), COMMIT)
    writer.write(batch(id=[1, 2], mail=["c", "a"]), COMMIT)
    assert run(url, "SELECT id, mail FROM t ORDER BY id") == [{"id": 1, "mail": "c"}, {"id": 2, "mail": "a"}]


def test_a_key_that_another_session_inserts_meanwhile_is_replaced_too(url: str, opened: Any) -> None:
    run(url, "CREATE TABLE t (id bigint PRIMARY KEY, v text)")
    writer = opened(batch(id=[1], v=["-"]).schema, "id")
    with psycopg.connect(url) as other, ThreadPoolExecutor(1) as pool:
        other.execute("INSERT INTO t VALUES (1, 'other')")
        writing = pool.submit(writer.write, batch(id=[1], v=["ours"]), COMMIT)
        blocked = "SELECT count(*) AS n FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
        assert any(run(url, blocked) == [{"n": 1}] for _ in range(2_000))
        other.commit()
        writing.result(10)
    assert run(url, "SELECT v FROM t") == [{"v": "ours"}]


def test_staging_opens_at_most_three_sessions_and_says_nothing_of_a_fault(url: str, opened: Any) -> None:
    batches = [batch(id=[number]) for number in range(6)]
    writer = opened(batches[0].schema)
    for each in batches:
        writer.stage(each)
    sessions = "SELECT count(*) AS n FROM pg_stat_activity WHERE application_name = 'signalbox'"
    assert run(url, sessions) == [{"n": 4}]
    run(url, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'signalbox'")
    writer.stage(batch(id=[7]))
    with pytest.raises(RetryLater):
        writer.write(batches[0], COMMIT)


def source_rows(url: str, rows: int) -> None:
    run(url, "CREATE TABLE source (id int PRIMARY KEY, at timestamptz NOT NULL, v text)")
    insert = "SELECT n, '2026-01-01'::timestamptz + (n / 700) * '1 s'::interval, md5(n::text)"
    run(url, f"INSERT INTO source {insert} FROM generate_series(1, {rows}) n")


@pytest.mark.fault("F17", "F23")
@pytest.mark.parametrize("key", [(), ("id",)], ids=["append", "upsert"])
def test_a_run_that_is_cut_again_and_again_ends_with_exact_records(url: str, key: tuple[str, ...]) -> None:
    source_rows(url, 3000)
    connector = PostgresConnector(context_of(url))
    schema = connector.discover()[0].schema
    assert schema is not None
    zombies: list[Writer] = []
    with ExitStack() as stack:
        for fence in range(1, 24):
            request = WriteRequest("copy", schema, UPSERT if key else APPEND, key, "d", fence)
            writer = stack.enter_context(connector.open_writer(request))
            stored = writer.checkpoint()
            number, cursor = (stored.batch_number, stored.cursor) if stored else (0, None)
            reading = connector.read(ReadRequest("source", cursor=cursor, cursor_field="at", batch_records=131))
            for _, each in zip(range(fence % 4), reading, strict=False):
                number += 1
                writer.write(each.records, Commit("run", number, each.cursor))
            for zombie in zombies:
                with pytest.raises(StopRun) as caught:
                    zombie.write(batch_of(schema), Commit("run", 999, {}))
                assert caught.value.code == LEASE_LOST
            zombies = [writer]
    digest = "SELECT count(*) AS n, sum(id) AS ids, md5(string_agg(id || v || at, ',' ORDER BY id)) AS all FROM "
    assert run(url, digest + "copy") == run(url, digest + "source")


def batch_of(schema: pa.Schema) -> pa.RecordBatch:
    return pa.RecordBatch.from_pylist([{"id": 1, "at": datetime(2000, 1, 1, tzinfo=UTC), "v": "stale"}], schema=schema)
