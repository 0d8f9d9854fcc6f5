"""What the SQLite connector reads and writes: types, ties, NULLs, keys, refusals, and runs that are cut off."""

import sqlite3
from collections.abc import Callable
from contextlib import ExitStack, closing
from dataclasses import replace
from datetime import UTC, date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from integrations.connectors.base import Commit, Context, Limits, ReadRequest, WriteMode, Writer, WriteRequest
from integrations.connectors.sql import Array
from integrations.connectors.sqlite import SqliteConnector
from integrations.connectors.sqlite.failures import Doing
from integrations.errors import (
    ANSWER_TOO_LARGE,
    CURSOR_INVALID,
    FILE_OUTSIDE_ROOT,
    FILE_UNREADABLE,
    KEY_MISSING,
    LEASE_LOST,
    PERMISSION_MISSING,
    SETTINGS_INVALID,
    SOURCE_CHANGED,
    TABLE_INCOMPATIBLE,
    TIMED_OUT,
    NeedsPerson,
    RecordsRefused,
    RetryLater,
    StopRun,
)

COMMIT = Commit("run-1", 1, {"after": 1})
UPSERT, APPEND = WriteMode.UPSERT, WriteMode.APPEND
NAIVE = datetime(2026, 1, 1, 12, 0, 0, 1)  # noqa: DTZ001 - a timestamp without a zone is what is meant


@pytest.fixture
def context(tmp_path: Path) -> Context:
    return Context({"path": "data.db", "create_file": True}, file_root=str(tmp_path))


def run(context: Context, *statements: str) -> list[Any]:
    with closing(sqlite3.connect(Path(context.file_root, "data.db"))) as connection, connection:
        return [connection.execute(statement).fetchall() for statement in statements][-1]


def read_in_slices(context: Context, request: ReadRequest) -> list[dict[str, Any]]:
    """Read with a new connection after every batch, as slices do at their worst."""
    rows: list[dict[str, Any]] = []
    for _ in range(10_000):
        batch = next(SqliteConnector(context).read(request), None)
        if batch is None:
            return rows
        rows += batch.records.to_pylist()
        request = replace(request, cursor=batch.cursor)
    raise AssertionError("the read does not end")


def request_for(records: pa.RecordBatch, *key: str, fence: int = 1) -> WriteRequest:
    return WriteRequest("t", records.schema, UPSERT if key else APPEND, key, "deployment", fence)


def write(context: Context, records: pa.RecordBatch, *key: str) -> None:
    with SqliteConnector(context).open_writer(request_for(records, *key)) as writer:
        writer.write(records, COMMIT)


ROUND_TRIPS: list[Array] = [
    pa.array([True, False, None]),
    pa.array([-(2**63), 2**63 - 1, None]),
    pa.array([0.1, float("inf"), None]),
    pa.array(["ü", "0123", None]),
    pa.array([b"\x00\xff", b"", None]),
    pa.array([date(2026, 1, 1), date(1, 1, 1), None]),
    pa.array([time(1, 2, 3, 4), time(0), None]),
    pa.array([NAIVE, NAIVE.replace(year=1), None]),
    pa.array([NAIVE.replace(tzinfo=UTC), None], pa.timestamp("us", tz="UTC")),
    pa.array([Decimal("12345678901234567890.1234"), Decimal("-0.0001"), None], pa.decimal128(38, 4)),
    pa.array([Decimal("1.10"), None], pa.decimal128(6, 2)),
]


@pytest.mark.parametrize("values", ROUND_TRIPS, ids=[str(values.type) for values in ROUND_TRIPS])
def test_a_created_column_gives_back_what_was_written(context: Context, values: Array) -> None:
    write(context, pa.record_batch([values], names=["v"]))
    (batch,) = SqliteConnector(context).read(ReadRequest("t"))
    assert batch.records.column("v").equals(values)


def test_lists_and_structs_become_json_text(context: Context) -> None:
    write(context, pa.record_batch({"v": [[{"a": 1}]], "w": [{"b": None}]}))
    assert run(context, "SELECT v, w FROM t") == [('[{"a":1}]', '{"b":null}')]


DECLARED = [
    ("DATETIME", ["2026-01-01T12:00:00+02:00", "2026-01-01 10:00"], [datetime(2026, 1, 1, 10)] * 2),  # noqa: DTZ001
    ("TIMESTAMPTZ", ["2026-01-01 10:00:00"], [datetime(2026, 1, 1, 10, tzinfo=UTC)]),
    ("DECIMAL(6,2)", [1.1, 3], [Decimal("1.10"), Decimal("3.00")]),
    ("VARCHAR(9)", [7, 0.5], ["7", "0.5"]),
    ("", ["a", 1], ["a", "1"]),
    ("DOUBLE", [1, 0.5], [1.0, 0.5]),
    ("BIGINT", [None, 5], [None, 5]),
    ("NUMERIC", ["x", 5], ["x", "5"]),
]


@pytest.mark.parametrize(("declared", "stored", "expected"), DECLARED, ids=[case[0] for case in DECLARED])
def test_a_declared_type_says_how_values_are_read(
    context: Context, declared: str, stored: list[Any], expected: list[Any]
) -> None:
    run(context, f"CREATE TABLE t (v {declared})")
    with closing(sqlite3.connect(Path(context.file_root, "data.db"))) as connection, connection:
        connection.executemany("INSERT INTO t VALUES (?)", [(value,) for value in stored])
    assert [row["v"] for row in read_in_slices(context, ReadRequest("t"))] == expected


ODD = [
    ("INTEGER", "seven"), ("INTEGER", 1.5), ("BOOLEAN", 2), ("DATE", "tomorrow"), ("TIMESTAMP", 1767261600),
    ("REAL", "x"), ("TEXT", b"x"), ("BLOB", "x"), ("DECIMAL(4,2)", "1000.5"), ("DECIMAL(4,2)", "NaN"), ("TIME", "late"),
]  # fmt: skip


@pytest.mark.parametrize(("declared", "value"), ODD)
def test_a_value_that_is_not_what_its_column_declares_is_set_aside(context: Context, declared: str, value: Any) -> None:
    run(context, f"CREATE TABLE t (id INTEGER PRIMARY KEY, v {declared})", "INSERT INTO t VALUES (1, NULL)")
    with closing(sqlite3.connect(Path(context.file_root, "data.db"))) as connection, connection:
        connection.execute("INSERT INTO t VALUES (2, ?)", (value,))
    (batch,) = SqliteConnector(context).read(ReadRequest("t"))
    assert batch.records.to_pylist() == [{"id": 1, "v": None}]
    assert [bad.reason.startswith("The value of 'v' is no ") for bad in batch.bad] == [True]


def test_five_thousand_equal_cursor_values_are_read_exactly_across_batches(context: Context) -> None:
    run(context, "CREATE TABLE t (a TEXT, b REAL, at TIMESTAMP NOT NULL, PRIMARY KEY (a, b))")
    numbers = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5100)"
    moment = "'2026-01-01 10:00:00.' || CASE WHEN i <= 5000 THEN '1' ELSE '2' END"
    run(context, f"INSERT INTO t {numbers} SELECT i % 7, i / 10.0, {moment} FROM n")
    rows = read_in_slices(context, ReadRequest("t", cursor_field="at", batch_records=333))
    assert sorted(round(row["b"] * 10) for row in rows) == list(range(1, 5101))


def test_rows_with_a_null_cursor_value_are_read_once_and_new_ones_later(context: Context) -> None:
    run(context, "CREATE TABLE t (id INTEGER PRIMARY KEY, at DATE)")
    run(context, *(f"INSERT INTO t VALUES ({n}, {'NULL' if n % 3 else n})" for n in range(1, 31)))
    run(context, "UPDATE t SET at = date('2026-01-01', at || ' days') WHERE at IS NOT NULL")
    request = ReadRequest("t", cursor_field="at", batch_records=4)
    assert sorted(row["id"] for row in read_in_slices(context, request)) == list(range(1, 31))
    *_, last = SqliteConnector(context).read(request)
    run(context, "INSERT INTO t VALUES (40, NULL), (41, '2027-01-01')")
    later = SqliteConnector(context).read(replace(request, cursor=last.cursor))
    assert [row["id"] for batch in later for row in batch.records.to_pylist()] == [40, 41]


REFUSED_READS = [
    ("CREATE TABLE t (k TEXT PRIMARY KEY); INSERT INTO t VALUES ('a'), (NULL)", {}, KEY_MISSING),
    ("CREATE VIEW t AS SELECT 1 AS k UNION ALL SELECT 1", {"primary_key": ("k",), "batch_records": 1}, KEY_MISSING),
    ("CREATE VIEW t AS SELECT 1 AS k", {"cursor_field": "k"}, KEY_MISSING),
    ("CREATE VIEW t AS SELECT 1 AS k", {"cursor": {"unordered": 1}}, KEY_MISSING),
    ("CREATE VIEW t AS SELECT 1 AS k", {"cursor": {"page": 1}}, CURSOR_INVALID),
    ("CREATE TABLE t (k INTEGER PRIMARY KEY)", {"cursor": {"order": ["k"], "after": ["seven"]}}, CURSOR_INVALID),
    ("CREATE TABLE t (k INTEGER PRIMARY KEY)", {"cursor": {"order": ["k"], "after": []}}, CURSOR_INVALID),
    ("CREATE TABLE t (k INTEGER PRIMARY KEY)", {"primary_key": ("gone",)}, SOURCE_CHANGED),
    ("CREATE TABLE t (k INTEGER PRIMARY KEY)", {"schema": pa.schema([("gone", pa.int64())])}, SOURCE_CHANGED),
    ("CREATE TABLE t (k INTEGER PRIMARY KEY)", {"schema": pa.schema([("k", pa.string())])}, SOURCE_CHANGED),
    ("CREATE VIEW t AS SELECT * FROM gone", {}, SOURCE_CHANGED),
    ("CREATE TABLE t (k TEXT); INSERT INTO t VALUES (zeroblob(2000))", {}, ANSWER_TOO_LARGE),
]


@pytest.mark.parametrize(("statements", "changed", "code"), REFUSED_READS)
def test_what_cannot_be_read_exactly_is_refused(
    context: Context, statements: str, changed: dict[str, Any], code: str
) -> None:
    run(context, *statements.split("; "))
    limited = replace(context, limits=Limits(max_answer_bytes=1000))
    with pytest.raises(NeedsPerson) as caught:
        list(SqliteConnector(limited).read(ReadRequest("t", **changed)))
    assert caught.value.code == code


def test_a_view_without_a_key_is_read_whole(context: Context) -> None:
    run(context, "CREATE VIEW t AS SELECT 1 AS k UNION ALL SELECT 1 UNION ALL SELECT 2")
    batches = SqliteConnector(context).read(ReadRequest("t", batch_records=2))
    assert [batch.records.column("k").to_pylist() for batch in batches] == [["1", "1"], ["2"]]


def test_a_query_that_takes_too_long_is_interrupted(context: Context) -> None:
    endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) AS i FROM n"
    run(context, f"CREATE VIEW t AS {endless}")
    limited = replace(context, limits=Limits(read_timeout_seconds=0.05))
    with pytest.raises(RetryLater) as caught:
        list(SqliteConnector(limited).read(ReadRequest("t")))
    assert caught.value.code == TIMED_OUT


def test_of_equal_keys_in_one_batch_the_last_holds(context: Context) -> None:
    write(context, pa.record_batch({"a": [1, 1, 2], "b": ["x", "x", "x"], "v": ["first", "last", "other"]}), "a", "b")
    write(context, pa.record_batch({"a": [2], "b": ["x"], "v": ["changed"]}), "a", "b")
    assert run(context, "SELECT a, v FROM t ORDER BY a") == [(1, "last"), (2, "changed")]


def test_records_that_are_all_key_are_stored_once(context: Context) -> None:
    write(context, pa.record_batch({"id": [1, 2, 1]}), "id")
    assert run(context, "SELECT id FROM t ORDER BY id") == [(1,), (2,)]


REFUSED = [
    ("v INTEGER", pa.array(["seven"]), "does not fit INTEGER"),
    ("v INTEGER", pa.array([1.5]), "does not fit INTEGER"),
    ("v TEXT NOT NULL", pa.array([None], pa.string()), "NOT NULL constraint failed: t.v"),
    ("v INTEGER CHECK (v > 0)", pa.array([-1]), "CHECK constraint failed"),
    ("v INTEGER REFERENCES other (id)", pa.array([1]), "FOREIGN KEY constraint failed"),
    ("v TEXT UNIQUE", pa.array(["a", "a"]), "UNIQUE constraint failed: t.v"),
    ("v TIMESTAMP", pa.array([1], pa.timestamp("ns")), "would lose data"),
    ("v REAL", pa.array([float("nan")]), "NaN"),
]


@pytest.mark.parametrize(("declared", "values", "words"), REFUSED, ids=[case[0] + case[2] for case in REFUSED])
def test_a_record_that_the_table_refuses_is_refused_in_its_words(
    context: Context, declared: str, values: Array, words: str
) -> None:
    run(context, "CREATE TABLE other (id INTEGER PRIMARY KEY)", f"CREATE TABLE t ({declared})")
    records = pa.record_batch([values], names=["v"])
    with SqliteConnector(context).open_writer(request_for(records)) as writer:
        attempts: list[Callable[[], None]] = [lambda: writer.probe(records), lambda: writer.write(records, COMMIT)]
        for attempt in attempts:
            with pytest.raises(RecordsRefused) as caught:
                attempt()
            assert words in caught.value.message
        assert writer.checkpoint() is None
    assert run(context, "SELECT * FROM t") == []


UNFIT = [
    ("CREATE TABLE t (id INTEGER)", {"mode": UPSERT, "key": ("id",)}, KEY_MISSING),
    ("CREATE TABLE t (id INTEGER); CREATE UNIQUE INDEX u ON t (id + 1)", {"mode": UPSERT, "key": ("id",)}, KEY_MISSING),
    ("SELECT 1", {"mode": UPSERT}, KEY_MISSING),
    ("SELECT 1", {"create": False}, TABLE_INCOMPATIBLE),
    ("CREATE VIEW t AS SELECT 1 AS id", {}, TABLE_INCOMPATIBLE),
    ("CREATE TABLE t (other INTEGER)", {}, TABLE_INCOMPATIBLE),
    ("CREATE TABLE t (x INTEGER, id INTEGER AS (x + 1))", {}, TABLE_INCOMPATIBLE),
    ("CREATE TABLE t (id BLOB)", {}, TABLE_INCOMPATIBLE),
    ("CREATE TABLE t (id DECIMAL(20,2))", {"schema": pa.schema([("id", pa.decimal128(20, 2))])}, TABLE_INCOMPATIBLE),
    ("SELECT 1", {"schema": pa.schema([("id", pa.month_day_nano_interval())])}, TABLE_INCOMPATIBLE),
]


@pytest.mark.parametrize(("statements", "changed", "code"), UNFIT)
def test_a_table_that_does_not_fit_is_refused_before_anything_is_written(
    context: Context, statements: str, changed: dict[str, Any], code: str
) -> None:
    run(context, *statements.split("; "))
    request = replace(request_for(pa.record_batch({"id": [1]})), **changed)
    with pytest.raises(NeedsPerson) as caught, SqliteConnector(context).open_writer(request):
        pass
    assert caught.value.code == code


def test_a_file_that_another_process_writes_is_retried_later(context: Context) -> None:
    records = pa.record_batch({"id": [1]})
    hurried = replace(context, limits=Limits(connect_timeout_seconds=0.05))
    with SqliteConnector(hurried).open_writer(request_for(records)) as writer:
        with closing(sqlite3.connect(Path(context.file_root, "data.db"), isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(RetryLater) as caught:
                writer.write(records, COMMIT)
        writer.write(records, COMMIT)
        writer.abort()
    assert caught.value.code == TIMED_OUT
    assert run(context, "SELECT id FROM t") == [(1,)]


def test_a_source_cannot_write_even_through_its_own_connection(context: Context) -> None:
    run(context, "CREATE TABLE t (id INTEGER)")
    connector = SqliteConnector(context)
    with connector._file.open(Doing.READING) as database, pytest.raises(NeedsPerson) as caught:
        database.rows("DELETE FROM t")
    assert caught.value.code == PERMISSION_MISSING


def test_a_missing_file_is_green_only_where_it_may_be_created(context: Context) -> None:
    reader = replace(context, settings={"path": "data.db"})
    assert SqliteConnector(context).check().ok
    assert SqliteConnector(reader).check().code == FILE_UNREADABLE


@pytest.mark.parametrize(
    ("settings", "root", "code"),
    [
        ({}, "/srv", SETTINGS_INVALID),
        ({"path": "/etc/passwd"}, "/srv", FILE_OUTSIDE_ROOT),
        ({"path": "a.db"}, "", FILE_OUTSIDE_ROOT),
        ({"path": "file:a.db?mode=rwc"}, "/nonexistent", "stream_missing"),
    ],
)
def test_a_path_that_is_not_below_the_root_is_refused(settings: dict[str, Any], root: str, code: str) -> None:
    with pytest.raises(NeedsPerson) as caught:
        SqliteConnector(Context(settings, file_root=root)).discover()
    assert caught.value.code == code


def test_discovery_lists_tables_views_keys_and_cursors(context: Context) -> None:
    run(
        context,
        "CREATE TABLE t (b INTEGER, a TEXT, at DATE, PRIMARY KEY (a, b)) WITHOUT ROWID",
        "CREATE VIEW v AS SELECT 1 AS x",
    )
    run(
        context,
        "CREATE TABLE signalbox_checkpoint (x)",
        "CREATE TABLE log (rowid TEXT)",
        "INSERT INTO log VALUES ('a')",
    )
    streams = {stream.name: stream for stream in SqliteConnector(context).discover()}
    assert set(streams) == {"log", "t", "v"}
    assert (streams["t"].primary_key, streams["t"].cursor_fields) == (("a", "b"), ("b", "at"))
    assert [streams[name].estimated_records for name in ("log", "t", "v")] == [1, None, None]


@pytest.mark.parametrize(("rows", "own", "numbered"), [(2, 2, 2), (50_001, None, 50_001)])
def test_records_that_bring_their_own_numbers_are_not_estimated_by_them(
    context: Context, rows: int, own: int | None, numbered: int
) -> None:
    numbers = f"WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < {rows})"
    run(
        context,
        "CREATE TABLE own (id INTEGER PRIMARY KEY)",
        "CREATE TABLE numbered (id TEXT PRIMARY KEY)",
        f"INSERT INTO own {numbers} SELECT x * 1000 FROM n",
        f"INSERT INTO numbered {numbers} SELECT x FROM n",
    )
    streams = {stream.name: stream.estimated_records for stream in SqliteConnector(context).discover()}
    assert streams == {"own": own, "numbered": numbered}


@pytest.mark.parametrize("key", [(), ("id",)], ids=["append", "upsert"])
def test_a_run_that_is_cut_again_and_again_ends_with_exact_records(context: Context, key: tuple[str, ...]) -> None:
    numbers = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000)"
    run(context, "CREATE TABLE source (id INTEGER, at INTEGER, v TEXT)")
    run(context, f"INSERT INTO source {numbers} SELECT i, i / 700, hex(i) FROM n")
    connector = SqliteConnector(context)
    schema = connector.discover()[0].schema
    assert schema is not None
    zombies: list[Writer] = []
    with ExitStack() as stack:
        for fence in range(1, 24):
            request = WriteRequest("copy", schema, UPSERT if key else APPEND, key, "d", fence)
            writer = stack.enter_context(connector.open_writer(request))
            stored = writer.checkpoint()
            number, cursor = (stored.batch_number, stored.cursor) if stored else (0, None)
            if fence == 1:
                continue  # the tables are there now, and the row numbers of the source are followed from here
            reading = connector.read(ReadRequest("source", cursor=cursor, cursor_field="at", batch_records=131))
            for _, each in zip(range(fence % 4), reading, strict=False):
                number += 1
                writer.write(each.records, Commit("run", number, each.cursor))
            for zombie in zombies:
                with pytest.raises(StopRun) as caught:
                    zombie.write(each.records, Commit("run", 999, {}))
                assert caught.value.code == LEASE_LOST
            zombies = [writer]
    digest = "SELECT count(*), sum(id), sum(at), group_concat(v) FROM (SELECT * FROM {} ORDER BY id)"
    assert run(context, digest.format("copy")) == run(context, digest.format("source"))
