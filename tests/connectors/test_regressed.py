"""A source that was reset or cut is told from one without news."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from integrations.connectors.base import Connector, Context, ReadRequest
from integrations.connectors.optional import Rewindable, Swept
from integrations.connectors.postgres import PostgresConnector
from integrations.connectors.rest_api import RestApiConnector
from integrations.connectors.sqlite import SqliteConnector
from tests.connectors.rest_world import as_json, read_all, rest_context, serve
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


OFFERS: dict[str, dict[str, Any]] = {
    "asked by a moment": {"cursor_field": "at", "cursor_param": "since"},
    "asked by a moment, a page at a time": {
        "cursor_field": "at", "cursor_param": "since", "paging": {"paging": "page"},
    },
    "read whole": {"cursor_field": "at"},
}  # fmt: skip


def api_of(server: HTTPServer, moments: list[str], **stream: Any) -> Context:
    """An API over records with these times, in no order, asked from `since` on where it is said."""

    def answer(request: Request) -> Response:
        found = [{"id": moment, "at": moment} for moment in moments if moment > request.args.get("since", "")]
        page = int(request.args.get("page", 0))
        return as_json({"data": found[page - 1 : page] if page else found})

    serve(server, answer)
    return rest_context(server, {"record_path": "data", "primary_key": ["id"], **stream})


def is_found_behind(context: Context, cursor: Any, **settings: Any) -> bool:
    request = ReadRequest("items", cursor=cursor, cursor_field="at", primary_key=("id",), **settings)
    with closing(RestApiConnector(context)) as connector:
        assert isinstance(connector, Swept)
        list(connector.read(request))
        return connector.found_behind


@pytest.mark.fault("F30")
@pytest.mark.parametrize("stream", OFFERS.values(), ids=OFFERS)
@pytest.mark.parametrize(
    ("after", "is_behind"),
    [
        (["2026-01-01T02:00:00Z", "2026-01-01T01:00:00Z"], False),
        (["2026-01-01T02:00:00Z"], False),
        (["2026-01-01T03:00:00Z"], False),
        (["2026-01-01T01:00:00Z"], True),
        (["2026-01-01T01:59:50Z", "2026-01-01T01:59:51Z"], True),
        ([], True),
    ],
)
def test_an_api_is_behind_where_a_whole_read_finds_nothing_at_the_cursor(
    httpserver: HTTPServer, stream: dict[str, Any], after: list[str], is_behind: bool
) -> None:
    moments = ["2026-01-01T02:00:00Z", "2026-01-01T01:00:00Z"]
    context = api_of(httpserver, moments, **stream)
    cursor = read_all(context, cursor_field="at")[-1].cursor
    moments[:] = after
    assert is_found_behind(context, cursor) is is_behind


def test_an_api_is_not_behind_where_its_newest_record_came_in_an_earlier_slice(httpserver: HTTPServer) -> None:
    moments = ["2026-01-01T02:00:00Z", "2026-01-01T01:59:59Z"]
    context = api_of(httpserver, moments, **OFFERS["asked by a moment, a page at a time"])
    cursor = read_all(context, cursor_field="at")[-1].cursor
    moments[:] = ["2026-01-01T02:00:01Z", "2026-01-01T01:59:58Z"]
    with closing(RestApiConnector(context)) as connector:
        request = ReadRequest("items", cursor=cursor, cursor_field="at", batch_records=1)
        first = next(iter(connector.read(request)))
    assert not is_found_behind(context, json.loads(json.dumps(first.cursor)))


@pytest.mark.parametrize(
    ("stream", "value"),
    [
        ({"cursor_field": "at", "cursor_param": "since"}, "b"),
        ({"cursor_field": "at", "cursor_param": "since", "overlap_seconds": 0}, "2026-01-01T01:00:00Z"),
    ],
)
def test_an_api_that_may_take_since_as_after_is_not_called_behind(
    httpserver: HTTPServer, stream: dict[str, Any], value: str
) -> None:
    context = api_of(httpserver, [value], **stream)
    assert not is_found_behind(context, read_all(context, cursor_field="at")[-1].cursor)


def test_a_first_read_of_an_api_is_never_behind(httpserver: HTTPServer) -> None:
    assert not is_found_behind(api_of(httpserver, [], **OFFERS["read whole"]), None)


def test_a_first_read_is_never_behind(database: tuple[Connector, Run]) -> None:
    connector, run = database
    run("CREATE TABLE records (id integer PRIMARY KEY, at integer NOT NULL)")
    assert isinstance(connector, Rewindable)
    assert not connector.is_behind(ReadRequest("records", cursor_field="at", primary_key=("id",)))
