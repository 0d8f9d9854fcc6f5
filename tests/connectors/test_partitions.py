"""Partitions cut where records begin, spread skewed keys, and are good for the file or table that was cut."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from accounts.errors import SignalboxError
from integrations.connectors.base import Connector, Context, Cut, Partition, ReadRequest
from integrations.connectors.files import FilesConnector
from integrations.connectors.optional import Partitioned
from integrations.connectors.postgres import PostgresConnector
from integrations.connectors.sqlite import SqliteConnector
from integrations.errors import CURSOR_INVALID
from tests.connectors.test_postgres_conformance import context_of, run

ROWS = 400
REQUEST = ReadRequest("rows.csv", batch_records=50)


def line(number: int) -> str:
    """A record whose text holds line ends, and quotes inside quotes."""
    return f'{number},"one\ntwo ""three""\n{number}"\n'


def write(folder: Path, numbers: range = range(ROWS), head: str = "id,text\n") -> Path:
    path = folder / "rows.csv"
    path.write_text(head + "".join(line(number) for number in numbers))
    return path


@pytest.fixture
def files(tmp_path: Path) -> Iterator[FilesConnector]:
    write(tmp_path)
    with closing(FilesConnector(Context({"format": "csv"}, file_root=str(tmp_path)))) as connector:
        yield connector


def cut(connector: Connector, request: ReadRequest = REQUEST, most: int = 4) -> list[Partition]:
    assert isinstance(connector, Partitioned)
    return list(connector.partitions(request, Cut(most, least_bytes=1)))


def ids(connector: Connector, request: ReadRequest, part: Partition) -> list[object]:
    batches = connector.read(replace(request, partition=part))
    return [row["id"] for batch in batches for row in batch.records.to_pylist()]


def test_a_line_end_inside_quotes_is_never_a_cut(files: FilesConnector) -> None:
    found = [ids(files, REQUEST, part) for part in cut(files)]
    assert sum(found, []) == list(range(ROWS))  # noqa: RUF017 - four short lists
    assert min(len(part) for part in found) > ROWS // 8


def test_a_file_that_grew_behind_its_parts_is_read_as_it_was_cut(files: FilesConnector, tmp_path: Path) -> None:
    parts = cut(files)
    with (tmp_path / "rows.csv").open("a") as file:
        file.write(line(9999))
    assert [number for part in parts for number in ids(files, REQUEST, part)] == list(range(ROWS))


@pytest.mark.parametrize("numbers", [range(ROWS, 0, -1), range(10)], ids=["changed", "shorter"])
def test_a_file_that_was_changed_after_the_cut_is_refused(
    files: FilesConnector, tmp_path: Path, numbers: range
) -> None:
    parts = cut(files)
    write(tmp_path, numbers)
    with pytest.raises(SignalboxError) as refused:
        ids(files, REQUEST, parts[-1])
    assert refused.value.code == CURSOR_INVALID


def test_a_last_record_that_was_completed_after_the_cut_is_refused(files: FilesConnector, tmp_path: Path) -> None:
    with (tmp_path / "rows.csv").open("a") as file:
        file.write("77,half a lin")
    parts = cut(files)
    with (tmp_path / "rows.csv").open("a") as file:
        file.write("e of text\n")
    with pytest.raises(SignalboxError) as refused:
        ids(files, REQUEST, parts[-1])
    assert refused.value.code == CURSOR_INVALID


def test_whole_files_are_spread_by_their_size_and_a_missing_one_is_noticed(tmp_path: Path) -> None:
    for name, rows in {"a.csv": 90, "b.csv": 30, "c.csv": 30, "d.csv": 30}.items():
        write(tmp_path, range(rows)).rename(tmp_path / name)
    connector = FilesConnector(Context({"format": "csv", "pattern": "*.csv"}, file_root=str(tmp_path)))
    parts = cut(connector, ReadRequest("*.csv"), most=2)
    assert [part.label for part in parts] == ["a.csv", "3 files, b.csv to d.csv"]
    (tmp_path / "c.csv").unlink()
    with pytest.raises(SignalboxError) as refused:
        ids(connector, ReadRequest("*.csv"), parts[1])
    assert refused.value.code == CURSOR_INVALID


def test_a_part_of_another_plugin_is_refused(files: FilesConnector) -> None:
    with pytest.raises(SignalboxError) as refused:
        ids(files, REQUEST, Partition("1", "?", {"order": ["id"]}))
    assert refused.value.code == CURSOR_INVALID


def test_skewed_keys_of_postgres_are_spread_by_their_rows(clean_postgres: str) -> None:
    run(
        clean_postgres,
        "CREATE TABLE item (id bigint PRIMARY KEY, filler text)",
        "INSERT INTO item SELECT n, repeat('x', 500) FROM generate_series(1, 3000) n",
        "INSERT INTO item SELECT 1000000000::bigint * n, '' FROM generate_series(1, 10) n",
        "ANALYZE item",
    )
    connector = PostgresConnector(context_of(clean_postgres))
    request = ReadRequest("item")
    sizes = [len(ids(connector, request, part)) for part in cut(connector, request)]
    assert sum(sizes) == 3010
    assert min(sizes) > 500


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE VIEW item AS SELECT n AS id FROM generate_series(1, 99) n",
        "CREATE TABLE item AS SELECT n AS id FROM generate_series(1, 99) n",
        "CREATE TABLE item (id int PRIMARY KEY)",
    ],
    ids=["a view", "no key", "no rows"],
)
def test_what_postgres_cannot_cut_has_no_partitions(clean_postgres: str, statement: str) -> None:
    run(clean_postgres, statement)
    connector = PostgresConnector(context_of(clean_postgres))
    assert cut(connector, ReadRequest("item")) == []
    assert cut(connector, ReadRequest("item", primary_key=("id",)), most=1) == []


def test_a_partitioned_table_of_postgres_is_cut_by_the_size_of_its_partitions(clean_postgres: str) -> None:
    run(
        clean_postgres,
        "CREATE TABLE item (id int PRIMARY KEY) PARTITION BY RANGE (id)",
        "CREATE TABLE item_1 PARTITION OF item FOR VALUES FROM (0) TO (500)",
        "CREATE TABLE item_2 PARTITION OF item FOR VALUES FROM (500) TO (2000)",
        "INSERT INTO item SELECT n FROM generate_series(1, 1500) n",
    )
    connector = PostgresConnector(context_of(clean_postgres))
    request = ReadRequest("item")
    found = [ids(connector, request, part) for part in cut(connector, request, most=3)]
    assert ([len(part) > 100 for part in found], sum(map(len, found))) == ([True, True, True], 1500)


def test_row_numbers_of_sqlite_are_not_cut_again_after_a_change(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "data.db")) as database, database:
        database.execute("CREATE TABLE log (id)")
        database.executemany("INSERT INTO log VALUES (?)", [(number,) for number in range(40)])
    connector = SqliteConnector(Context({"path": "data.db"}, file_root=str(tmp_path)))
    parts = cut(connector, ReadRequest("log"))
    with closing(sqlite3.connect(tmp_path / "data.db")) as database, database:
        database.execute("CREATE TABLE other (a)")
    with pytest.raises(SignalboxError) as refused:
        ids(connector, ReadRequest("log"), parts[1])
    assert refused.value.code == CURSOR_INVALID


def test_a_view_of_sqlite_has_no_partitions(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "data.db")) as database, database:
        database.execute("CREATE VIEW numbers AS SELECT 1 AS id UNION SELECT 2")
    connector = SqliteConnector(Context({"path": "data.db"}, file_root=str(tmp_path)))
    assert cut(connector, ReadRequest("numbers")) == []
