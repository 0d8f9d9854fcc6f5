"""Incremental reading: nothing lost at the edge, nothing twice, whatever the source means by "since"."""

from __future__ import annotations

import json
import threading
from contextlib import closing
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from integrations.connectors.base import Batch, Context, ReadRequest
from integrations.connectors.rest_api import RestApiConnector, reader
from integrations.connectors.rest_api.incremental import MAX_REMEMBERED, Sweep, WindowState, key_of
from tests.connectors.rest_world import as_json, ids, read_all, rest_context, serve

STREAM = {"record_path": "data", "cursor_field": "at", "cursor_param": "since", "primary_key": ["id"]}


class Source:
    """A server of records that filters by `since`, and counts what it was asked."""

    def __init__(self, server: HTTPServer, *, is_inclusive: bool = True) -> None:
        self.rows: list[dict[str, Any]] = []
        self.is_inclusive = is_inclusive
        self.seen = serve(server, self.answer)

    def add(self, number: int, at: Any) -> None:
        self.rows.append({"id": number, "at": at})

    def answer(self, request: Request) -> Response:
        since = request.args.get("since")
        chosen = self.rows if since is None else [row for row in self.rows if self.is_in(str(row["at"]), since)]
        return as_json({"data": chosen})

    def is_in(self, at: str, since: str) -> bool:
        return at >= since if self.is_inclusive else at > since


def next_run(context: Context, before: list[Batch]) -> list[Batch]:
    """A later run that goes on from the last cursor, through JSON as from the database."""
    cursor = json.loads(json.dumps(before[-1].cursor)) if before else None
    return read_all(context, cursor=cursor, cursor_field="at", primary_key=("id",))


@pytest.mark.fault("F29")
@pytest.mark.parametrize("is_inclusive", [True, False])
def test_records_of_the_same_moment_that_come_late_are_neither_lost_nor_doubled(
    httpserver: HTTPServer, is_inclusive: bool
) -> None:
    source, context = Source(httpserver, is_inclusive=is_inclusive), rest_context(httpserver, STREAM)
    source.add(1, "2026-01-01T00:00:00Z")
    source.add(2, "2026-01-01T00:01:00Z")
    first = next_run(context, [])
    source.add(3, "2026-01-01T00:01:00Z")
    source.add(4, "2026-01-01T00:00:45Z")
    second = next_run(context, first)
    third = next_run(context, second)
    assert (ids(first), ids(second), ids(third)) == ([1, 2], [3, 4], [])


def test_a_record_that_changed_within_the_overlap_comes_again(httpserver: HTTPServer) -> None:
    source, context = Source(httpserver), rest_context(httpserver, STREAM)
    source.add(1, "2026-01-01T00:00:00Z")
    first = next_run(context, [])
    source.rows[0]["name"] = "changed without a new time"
    assert ids(next_run(context, first)) == [1]


def test_the_overlap_is_asked_for_in_the_form_of_the_source(httpserver: HTTPServer) -> None:
    source = Source(httpserver)
    context = rest_context(httpserver, {**STREAM, "overlap_seconds": 90})
    source.add(1, "2026-01-01T00:01:00.000Z")
    next_run(context, next_run(context, []))
    assert [request.args.get("since") for request in source.seen] == [None, "2025-12-31T23:59:30Z"]


def test_without_a_parameter_the_connector_filters_by_itself(httpserver: HTTPServer) -> None:
    source = Source(httpserver)
    context = rest_context(httpserver, {"record_path": "data", "cursor_field": "at"})
    source.add(1, "2026-01-01T00:00:00Z")
    source.add(2, "2026-01-01T01:00:00Z")
    first = next_run(context, [])
    source.add(3, "2026-01-01T02:00:00Z")
    source.add(4, "2026-01-01T00:30:00Z")
    assert (ids(first), ids(next_run(context, first))) == ([1, 2], [3])
    assert "since" not in source.seen[-1].args


def test_numbers_are_cursors_too(httpserver: HTTPServer) -> None:
    source = Source(httpserver)
    context = rest_context(httpserver, STREAM)
    source.add(1, 5)
    first = next_run(context, [])
    source.add(2, 6)
    assert (ids(first), ids(next_run(context, first)), source.seen[-1].args["since"]) == ([1], [2], "5")


def test_the_end_moves_only_when_the_sweep_is_complete(httpserver: HTTPServer) -> None:
    def answer(request: Request) -> Response:
        number = int(request.args.get("page", 1))
        return as_json({"data": [{"id": number, "at": f"2026-01-0{4 - number}T00:00:00Z"}] if number < 4 else []})

    seen = serve(httpserver, answer)
    context = rest_context(httpserver, {**STREAM, "paging": {"paging": "page"}})
    batches = read_all(context, cursor_field="at", batch_bytes=1)
    asked = len(seen)
    rest = read_all(context, cursor_field="at", cursor=batches[0].cursor)
    assert (ids(batches), ids(rest)) == ([1, 2, 3], [2, 3])
    assert ["since" in request.args for request in seen[asked:]] == [False] * 3
    assert rest[-1].cursor["sweep"]["since"] == "2026-01-03T00:00:00Z"


def sweep(**state: Any) -> Sweep:
    now = datetime(2026, 6, 1, tzinfo=UTC)
    return Sweep("at", 30, filters_here=False, now=now, state=WindowState(**state))


def taken(of: Sweep, *values: Any) -> list[Any]:
    rows = [msgspec.Raw(msgspec.json.encode({"at": value})) for value in values]
    return [msgspec.json.decode(row)["at"] for row in of.take(rows)]


def test_a_stray_value_is_delivered_and_does_not_move_the_edge() -> None:
    one = sweep()
    values = ["zzz", 7, "2026-01-01T00:00:00Z", None, {"a": 1}, 5, True, "zzz", "9999-12-31T00:00:00Z"]
    assert taken(one, *values) == values
    one.finish()
    assert one.state.since == "2026-01-01T00:00:00Z"


def test_what_is_remembered_is_bounded() -> None:
    one = sweep()
    assert (
        len(taken(one, *[f"2026-01-01T00:00:00.{n:06d}Z" for n in range(MAX_REMEMBERED + 500)])) == MAX_REMEMBERED + 500
    )
    one.finish()
    assert len(one.state.known) <= MAX_REMEMBERED


def test_old_records_are_forgotten_as_the_edge_moves_on() -> None:
    one = sweep()
    for minute in range(50):
        taken(one, *[f"2026-01-01T00:{minute:02d}:{second:02d}Z" for second in range(0, 60, 3)])
    assert len(one.state.fresh) < 300
    one.finish()
    assert len(one.state.known) == 11


@pytest.mark.parametrize(
    ("since", "asked"),
    [
        (None, ""),
        (17, "17"),
        ("v00017", "v00017"),
        ("2026-01-01T00:01:00Z", "2026-01-01T00:00:30Z"),
        ("2026-01-01T00:01:00.250Z", "2026-01-01T00:00:30.250000Z"),
        ("2026-01-01T01:01:00+01:00", "2026-01-01T01:00:30+01:00"),
        ("2026-01-01 00:01:00", "2026-01-01 00:00:30"),
        ("2026-01-02", "2026-01-01"),
    ],
)
def test_since_is_written_as_the_source_writes_it(since: Any, asked: str) -> None:
    assert sweep(since=since, high=since).asked_since == asked


def test_times_in_several_zones_are_compared_as_moments() -> None:
    assert key_of("2026-01-01T01:00:00+01:00") == key_of("2026-01-01T00:00:00Z") == key_of("2026-01-01T00:00:00")


def test_a_batch_is_handed_on_while_the_next_page_is_slow(
    httpserver: HTTPServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reader, "BATCH_SECONDS", 0.05)
    released = threading.Event()

    def answer(request: Request) -> Response:
        page = int(request.args.get("page", 1))
        if page == 2:
            assert released.wait(5)
        return as_json([{"id": page}] if page < 3 else [])

    serve(httpserver, answer)
    with closing(RestApiConnector(rest_context(httpserver, {"paging": {"paging": "page"}}))) as connector:
        batches = connector.read(ReadRequest("items"))
        assert ids([next(iter(batches))]) == [1]
        released.set()
        assert ids(list(batches)) == [2]


def test_closing_a_reading_early_leaves_nothing_behind(httpserver: HTTPServer) -> None:
    serve(httpserver, lambda request: as_json([{"id": int(request.args.get("page", 1))}]))
    connector = RestApiConnector(rest_context(httpserver, {"paging": {"paging": "page"}}))
    batches = connector.read(ReadRequest("items", batch_records=1))
    next(iter(batches))
    batches.close()  # type: ignore[attr-defined]
    connector.close()
    for thread in threading.enumerate():
        if thread.name.startswith("rest-page"):
            thread.join(5)
            assert not thread.is_alive()


def test_a_batch_handed_on_behind_the_last_page_does_not_know_that_pages_records(httpserver: HTTPServer) -> None:
    def answer(request: Request) -> Response:
        first = int(request.args.get("cursor", 1))
        rows = [{"id": first + n, "at": f"2026-01-01T00:00:0{first + n}Z"} for n in range(3)]
        return as_json({"data": rows, "next": 4 if first == 1 else None})

    serve(httpserver, answer)
    context = rest_context(httpserver, {**STREAM, "paging": {"paging": "cursor"}})
    batches = read_all(context, cursor_field="at", batch_records=4)
    rest = read_all(context, cursor_field="at", batch_records=4, cursor=batches[0].cursor)
    assert ([ids([batch]) for batch in batches], ids(rest)) == ([[1, 2, 3], [4, 5, 6]], [4, 5, 6])
