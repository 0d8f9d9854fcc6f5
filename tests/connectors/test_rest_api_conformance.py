"""The REST API connector passes the conformance suite in every style of paging."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Any

import pyarrow as pa
import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from integrations.connectors.base import Context, Guarantee, WriteMode
from integrations.connectors.rest_api import RestApiConnector
from integrations.errors import (
    ADDRESS_BLOCKED,
    ADDRESS_INVALID,
    ANSWER_UNDECODABLE,
    CREDENTIAL_MISSING,
    CREDENTIAL_REFUSED,
    RECORDS_NOT_FOUND,
    REDIRECT_REFUSED,
    SERVER_FAILED,
    SETTINGS_INVALID,
    STREAM_MISSING,
)
from tests.connectors.cases import Destination
from tests.connectors.conformance import Broken, Rows, Source, conformance
from tests.connectors.rest_world import QUICK, TOKEN, as_json, rest_context, serve
from tests.faults.hostile import HostileServer
from tests.faults.remote_world import RESULTS, STREAMS

ROWS: Rows = [
    {"id": n, "name": f"näme {n}", "price": n / 4, "note": None, "changed_at": f"2026-01-01T00:{n:02d}:00Z"}
    for n in range(40)
]
STYLES: dict[str, dict[str, Any]] = {
    "page": {"paging": "page", "size_param": "size", "page_size": 6, "total_path": "total"},
    "offset": {"paging": "offset", "size_param": "size", "page_size": 6, "last_page": "short"},
    "cursor": {"paging": "cursor", "next_path": "meta.next"},
    "link": {"paging": "link"},
    "next_url": {"paging": "next_url", "next_path": "meta.next_url"},
    "none": {"paging": "none"},
}


def answer(rows: Rows) -> Callable[[Request], Response]:
    """A server of `rows` that understands every style, six a page where it pages."""

    def serve_page(request: Request) -> Response:
        asked = request.args
        since = asked.get("since", "")
        chosen = [row for row in rows if row["changed_at"] >= since]
        if asked.get("whole"):
            return as_json({"data": chosen})
        start = int(asked.get("offset") or asked.get("cursor") or (int(asked.get("page", 1)) - 1) * 6)
        following = start + 6 if start + 6 < len(chosen) else None
        query = f"cursor={following}" + (f"&since={since}" if since else "")
        meta = {"next": following, "next_url": following and f"/items?{query}"}
        body = {"data": chosen[start : start + 6], "meta": meta, "total": len(chosen)}
        return as_json(body, **({"link": f'</items?{query}>; rel="next"'} if following else {}))

    return serve_page


def source(style: str, *, is_incremental: bool = True) -> Callable[[pytest.FixtureRequest], Source]:
    def make(request: pytest.FixtureRequest) -> Source:
        server: HTTPServer = request.getfixturevalue("httpserver")
        rows = [dict(row) for row in ROWS]
        serve(server, answer(rows))
        params = {"whole": True} if style == "none" else {}
        stream = {"record_path": "data", "primary_key": ["id"], "paging": STYLES[style], "params": params}
        incremental = {"cursor_field": "changed_at", "cursor_param": "since"} if is_incremental else {}
        context = rest_context(server, {**stream, **incremental})

        def more() -> Rows:
            added = {**ROWS[-1], "id": 99, "changed_at": "2026-01-01T01:00:00Z"}
            rows.append(added)
            return [read_back(added)]

        if not is_incremental:
            return Source(context, "items", [read_back(row) for row in ROWS])
        return Source(
            context,
            "items",
            [read_back(row) for row in ROWS],
            cursor_field="changed_at",
            primary_key=("id",),
            more=more,
        )

    return make


def read_back(row: dict[str, Any]) -> dict[str, Any]:
    """A row as its columns give it back: the time as a time."""
    return {**row, "changed_at": datetime.fromisoformat(row["changed_at"])}


def with_bad_records(request: pytest.FixtureRequest) -> Source:
    server: HTTPServer = request.getfixturevalue("httpserver")
    rows = [{**row, "price": "on request"} if row["id"] % 13 == 7 else row for row in ROWS]
    serve(server, answer(rows))
    context = rest_context(server, {"record_path": "data", "paging": STYLES["page"]})
    good = [read_back(row) for row in ROWS if row["id"] % 13 != 7]
    return Source(context, "items", good, bad=3)


def broken(
    code: str, said: Response | None = None, *, settings: dict[str, Any] | None = None, **changes: Any
) -> Callable[[pytest.FixtureRequest], Broken]:
    """A connector whose server says `said`, or whose settings or other parts of the context are changed."""

    def make(request: pytest.FixtureRequest) -> Broken:
        server: HTTPServer = request.getfixturevalue("httpserver")
        serve(server, lambda _request: said or as_json([]))
        good = rest_context(server, {})
        context = replace(good, settings={**good.settings, **(settings or {})}, **changes)
        is_unmade = bool(settings) or "credential" in changes
        return Broken(context, frozenset({code}), "" if is_unmade else "items")

    return make


def refused_batch() -> pa.RecordBatch:
    """Four records, of which the server takes three."""
    fields: list[pa.Field[Any]] = [pa.field("id", pa.int64()), pa.field("name", pa.string())]
    schema = pa.schema([*fields, pa.field("amount", pa.float64())])
    return pa.RecordBatch.from_pylist([{"id": n, "name": f"n{n}", "amount": 1.5} for n in (1, -2, 3, 4)], schema=schema)


def destination(guarantee: Guarantee, **changes: Any) -> Callable[[pytest.FixtureRequest], Destination]:
    """A stream of a hostile server that behaves, written under this guarantee; it refuses negative ids."""

    def make(request: pytest.FixtureRequest) -> Destination:
        server: HostileServer = request.getfixturevalue("hostile_server")
        write = {"records_per_request": 2, "record_path": "items", **STREAMS[guarantee], **RESULTS, **changes}
        settings = {"base_url": server.url, "streams": [{"name": "items", "path": "/items", "write": write}]}
        allow = (server.url.removeprefix("http://"),)
        context = Context(settings, {"token": TOKEN}, "bearer", QUICK, allow)

        def contents() -> Rows:
            return [{k: v for k, v in row.items() if k != "version"} for row in server.store.contents()]

        versioned = guarantee is Guarantee.UPSERT_VERSIONED
        mode, key = (WriteMode.UPSERT, ("id",)) if versioned else (WriteMode.APPEND, ())
        return Destination(context, "items", contents, mode=mode, key=key, refused=refused_batch())

    return make


TestRestApi = conformance(
    RestApiConnector,
    sources={style: source(style) for style in STYLES}
    | {"whole read": source("cursor", is_incremental=False), "bad records": with_bad_records},
    destinations={
        "idempotency key": destination(Guarantee.IDEMPOTENCY_KEY),
        "upsert versioned": destination(Guarantee.UPSERT_VERSIONED),
        "version in a header": destination(
            Guarantee.UPSERT_VERSIONED,
            version_field="",
            version_header="X-Version",
            path="/versioned/{id}",
            records_per_request=1,
            record_path="",
        ),
        "append only": destination(Guarantee.APPEND_ONLY),
    },
    broken={
        "web page": broken(ANSWER_UNDECODABLE, Response("<html>sign in</html>", content_type="text/html")),
        "no list": broken(RECORDS_NOT_FOUND, as_json({"error": "quota"})),
        "refused credential": broken(CREDENTIAL_REFUSED, Response("", 401)),
        "missing": broken(STREAM_MISSING, Response("", 404)),
        "redirect": broken(REDIRECT_REFUSED, Response("", 302, headers={"location": "/elsewhere"})),
        "down": broken(SERVER_FAILED, Response("", 503)),
        "private address": broken(ADDRESS_BLOCKED, egress_allow=()),
        "odd address": broken(ADDRESS_INVALID, settings={"base_url": "http://me:pw@127.1/"}),
        "no streams": broken(SETTINGS_INVALID, settings={"streams": []}),
        "empty credential": broken(CREDENTIAL_MISSING, credential={"token": ""}),
    },
)
