"""A source that was reset or cut is told from one without news."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest

from integrations.connectors.base import Connector, Context, ReadRequest
from integrations.connectors.optional import Rewindable
from integrations.connectors.postgres import PostgresConnector
from integrations.connectors.sqlite import SqliteConnector
from tests.connectors.test_postgres_conformance import context_of

Run = Callable[[str], Any]


@pytest.fixture(params=["postgres", "sqlite"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Connector, Run]:
    """A connector, and a way to change its database."""
    if request.param == "postgres":
        url: str = request.getfixturevalue("clean_postgres")

        def run(statement: str) -> None:
            with psycopg.connect(url, autocommit=True) as connection:
                connection.execute(statement.encode())

        return PostgresConnector(context_of(url)), run

    def change(statement: str) -> None:
        with sqlite3.connect(tmp_path / "source.sqlite3") as connection:
            connection.execute(statement)

    change("CREATE TABLE other (id integer)")
    return SqliteConnector(Context({"path": "source.sqlite3"}, file_root=str(tmp_path))), change


def read(connector: Connector) -> ReadRequest:
    """Read what there is; the request with which the next run would go on."""
    request = ReadRequest("records", cursor_field="at", primary_key=("id",))
    batches = list(connector.read(request))
    return ReadRequest("records", batches[-1].cursor, cursor_field="at", primary_key=("id",))


@pytest.mark.fault("F30")
@pytest.mark.parametrize(
    ("change", "is_behind"),
    [
        ("UPDATE records SET id = id", False),
        ("INSERT INTO records VALUES (4, 50)", False),
        ("DELETE FROM records WHERE id = 1", False),
        ("DELETE FROM records WHERE at > 10", True),
        ("DELETE FROM records", True),
        ("UPDATE records SET at = at - 5", True),
    ],
)
def test_a_source_is_behind_where_nothing_is_left_at_the_cursor(
    database: tuple[Connector, Run], change: str, is_behind: bool
) -> None:
    connector, run = database
    run("CREATE TABLE records (id integer PRIMARY KEY, at integer NOT NULL)")
    run("INSERT INTO records VALUES (1, 10), (2, 20), (3, 30)")
    request = read(connector)
    run(change)
    assert isinstance(connector, Rewindable)
    assert connector.is_behind(request) is is_behind


def test_a_first_read_is_never_behind(database: tuple[Connector, Run]) -> None:
    connector, run = database
    run("CREATE TABLE records (id integer PRIMARY KEY, at integer NOT NULL)")
    assert isinstance(connector, Rewindable)
    assert not connector.is_behind(ReadRequest("records", cursor_field="at", primary_key=("id",)))
