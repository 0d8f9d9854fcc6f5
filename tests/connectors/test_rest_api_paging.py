"""Paging that goes nowhere is stopped within three pages, with what was read before it handed on."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from integrations.connectors.base import Batch, Context, Limits, ReadRequest
from integrations.connectors.rest_api import RestApiConnector
from integrations.connectors.rest_api.answer import Page
from integrations.connectors.rest_api.config import Paging
from integrations.connectors.rest_api.paging import END, ProgressGuard, Turn, turn
from integrations.errors import (
    ANSWER_UNDECODABLE,
    CURSOR_INVALID,
    PAGE_LIMIT,
    PAGINATION_NO_PROGRESS,
    REDIRECT_REFUSED,
    NeedsPerson,
)
from tests.connectors.rest_world import TOKEN, as_json, ids, read_all, rest_context, serve

URL = "https://api.example/v1/items"


def read_until_stopped(context: Context, **request: Any) -> tuple[list[Batch], NeedsPerson]:
    """What was read before the error, and the error."""
    batches: list[Batch] = []
    with closing(RestApiConnector(context)) as connector:
        source = connector.read(ReadRequest("items", **request))
        with pytest.raises(NeedsPerson) as caught:
            drain(source, batches)
    return batches, caught.value


def drain(source: Iterator[Batch], into: list[Batch]) -> None:
    """Keep each batch as it comes, so that those before an error are there."""
    while (batch := next(source, None)) is not None:
        into.append(batch)


def numbered(number: int, **rest: Any) -> dict[str, Any]:
    return {"data": [{"id": number}], **rest}


ENDLESS: dict[str, tuple[dict[str, Any], Callable[[Request, int], Response]]] = {
    "page parameter ignored": ({"paging": "page"}, lambda _r, _n: as_json(numbered(1))),
    "offset ignored": ({"paging": "offset"}, lambda _r, _n: as_json(numbered(1))),
    "same cursor": ({"paging": "cursor", "next_path": "next"}, lambda _r, n: as_json(numbered(n, next="a"))),
    "cursors A, B, A": (
        {"paging": "cursor", "next_path": "next"},
        lambda _r, n: as_json(numbered(n, next="ab"[n % 2])),
    ),
    "same page under new cursors": (
        {"paging": "cursor", "next_path": "next"},
        lambda _r, n: as_json(numbered(1, next=str(n))),
    ),
    "pages A, B, A under numbers": ({"paging": "page"}, lambda _r, n: as_json(numbered(n % 2))),
    "empty for ever": ({"paging": "cursor", "next_path": "next"}, lambda _r, n: as_json({"data": [], "next": str(n)})),
    "next address to itself": (
        {"paging": "next_url", "next_path": "next"},
        lambda _r, n: as_json(numbered(n, next="/items?p=1")),
    ),
    "link to itself": ({"paging": "link"}, lambda _r, n: as_json(numbered(n), link='</items?p=1>; rel="next"')),
}


@pytest.mark.fault("F28")
@pytest.mark.parametrize("case", ENDLESS)
@pytest.mark.security("REL-040")
def test_endless_paging_is_stopped_within_three_pages(httpserver: HTTPServer, case: str) -> None:
    paging, answer = ENDLESS[case]
    numbers = itertools.count()
    seen = serve(httpserver, lambda request: answer(request, next(numbers)))
    batches, error = read_until_stopped(rest_context(httpserver, {"record_path": "data", "paging": paging}))
    assert error.code == PAGINATION_NO_PROGRESS
    assert len(seen) <= 3
    assert len(ids(batches)) == len(set(ids(batches)))


def test_a_page_that_leads_back_is_not_handed_on_since_no_cursor_comes_after_it(httpserver: HTTPServer) -> None:
    serve(httpserver, lambda request: as_json(numbered(1 if "cursor" in request.args else 0, next="a")))
    stream = {"record_path": "data", "paging": {"paging": "cursor"}}
    batches, _ = read_until_stopped(rest_context(httpserver, stream))
    assert ids(batches) == [0]
    assert batches[-1].cursor["at"] == "a"


@pytest.mark.security("REL-040")
def test_a_circle_larger_than_a_slice_is_met_at_last() -> None:
    guard, positions = ProgressGuard(), [number % 37 for number in range(200)]
    with pytest.raises(NeedsPerson) as caught:
        walk(guard, positions)
    assert caught.value.code == PAGINATION_NO_PROGRESS


def walk(guard: ProgressGuard, positions: list[int]) -> None:
    """Enter the positions, five in each slice of a run."""
    for number, position in enumerate(positions):
        if number % 5 == 0:
            guard = ProgressGuard(guard.pages, guard.mark)
        guard.enter(position, "items")


def test_a_few_empty_pages_among_others_are_no_fault(httpserver: HTTPServer) -> None:
    sizes = [1, 0, 0, 1, 0, 0, 1]
    numbers = itertools.count()

    def answer(_request: Request) -> Response:
        number = next(numbers)
        rows = [{"id": number}] * sizes[number]
        return as_json({"data": rows, "next": number + 1 if number + 1 < len(sizes) else None})

    serve(httpserver, answer)
    assert ids(read_all(rest_context(httpserver, {"record_path": "data", "paging": {"paging": "cursor"}}))) == [0, 3, 6]


def test_the_page_limit_stops_a_reading_with_its_cursor(httpserver: HTTPServer) -> None:
    numbers = itertools.count()
    seen = serve(httpserver, lambda _request: as_json(numbered(next(numbers))))
    context = rest_context(
        httpserver, {"record_path": "data", "paging": {"paging": "page"}}, limits=Limits(max_pages=4, attempts=1)
    )
    batches, error = read_until_stopped(context)
    assert (error.code, ids(batches), len(seen), batches[-1].cursor["at"]) == (PAGE_LIMIT, [0, 1, 2, 3], 4, 5)


@pytest.mark.parametrize(
    "target",
    [
        "https://evil.example/items",
        "http://{name}.evil.example/",
        "https://{host}/items",
        "//evil.example/items",
        "http://{name}:1/items",
    ],
)
def test_a_next_address_on_another_host_is_not_followed(httpserver: HTTPServer, target: str) -> None:
    host = f"{httpserver.host}:{httpserver.port}"
    seen = serve(httpserver, lambda _request: as_json(numbered(1, next=target.format(host=host, name=httpserver.host))))
    stream = {"record_path": "data", "paging": {"paging": "next_url"}}
    _, error = read_until_stopped(rest_context(httpserver, stream))
    assert (error.code, len(seen)) == (REDIRECT_REFUSED, 1)


def test_a_next_path_that_looks_like_a_host_stays_on_the_host(httpserver: HTTPServer) -> None:
    host = f"http://{httpserver.host}:{httpserver.port}"
    serve(httpserver, lambda _request: as_json(numbered(1, next=f"{host}//evil.example/items")))
    stream = {"record_path": "data", "paging": {"paging": "next_url"}}
    # The test server folds the two slashes into one.
    httpserver.expect_request("/evil.example/items").respond_with_json(numbered(2))
    assert ids(read_all(rest_context(httpserver, stream))) == [1, 2]


def test_a_key_that_the_server_puts_into_its_next_address_is_not_kept(httpserver: HTTPServer) -> None:
    def answer(request: Request) -> Response:
        at = int(request.args.get("at", 0))
        following = f"/items?at={at + 1}&api_key={request.args['api_key']}" if at < 2 else None
        return as_json(numbered(at, next=following))

    seen = serve(httpserver, answer)
    base = rest_context(httpserver, {"record_path": "data", "paging": {"paging": "next_url"}})
    key = {"name": "api_key", "placement": "query", "key": TOKEN}
    context = type(base)(base.settings, key, "api_key", base.limits, base.egress_allow)
    batches = read_all(context, batch_bytes=1)
    assert ids(batches) == [0, 1, 2]
    assert [request.args.getlist("api_key") for request in seen] == [[TOKEN]] * 3
    assert TOKEN not in repr([batch.cursor for batch in batches])


@pytest.mark.parametrize(
    ("header", "position"),
    [
        ('<https://api.example/v1/items?page=2>; rel="next"', "/v1/items?page=2"),
        ("</v1/items?page=2>; rel=next", "/v1/items?page=2"),
        ('</v1/a>; rel="prev", <?page=3>; title="x"; rel="next last"', "/v1/items?page=3"),
        ('</v1/a>; rel="prev"', None),
        ('</v1/a>; rel="nextish"', None),
        ("", None),
        ("garbage", None),
    ],
)
def test_the_link_header_says_what_is_next(header: str, position: str | None) -> None:
    following = turn(Paging("link"), Page([], [], {"link": header}, 0), None, URL, frozenset())
    assert following == (Turn(goes_on=True, position=position) if position else END)


@pytest.mark.parametrize("value", [None, "", False])
def test_no_next_cursor_is_the_end(value: object) -> None:
    for style in ("cursor", "next_url"):
        page = Page([], {"next": value}, {}, 0)
        assert turn(Paging(style), page, None, URL, frozenset()) == END


@pytest.mark.parametrize(("style", "value"), [("cursor", {"a": 1}), ("cursor", True), ("cursor", 1.5), ("next_url", 7)])
def test_a_next_that_is_no_cursor_is_undecodable(style: str, value: object) -> None:
    with pytest.raises(NeedsPerson) as caught:
        turn(Paging(style), Page([], {"next": value}, {}, 0), None, URL, frozenset())  # type: ignore[arg-type]
    assert caught.value.code == ANSWER_UNDECODABLE


def test_a_cursor_of_another_paging_is_refused(httpserver: HTTPServer) -> None:
    context = rest_context(httpserver, {"paging": {"paging": "page"}})
    for cursor in (
        {"style": "offset", "at": 5},
        {"style": "page", "at": "x"},
        {"style": "page", "field": "changed_at"},
    ):
        with pytest.raises(NeedsPerson) as caught:
            read_all(context, cursor=cursor)
        assert caught.value.code == CURSOR_INVALID


def test_a_large_page_that_changed_is_read_again_from_its_first_row(httpserver: HTTPServer) -> None:
    rows = [{"id": number} for number in range(10)]
    serve(httpserver, lambda _request: as_json(rows))
    context = rest_context(httpserver, {})
    first = read_all(context, batch_records=4)[0]
    assert ids(read_all(context, cursor=first.cursor)) == [4, 5, 6, 7, 8, 9]
    rows.insert(0, {"id": 100})
    assert ids(read_all(context, cursor=first.cursor))[0] == 100
