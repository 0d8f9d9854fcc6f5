"""What the REST tests share: connectors against a real HTTP server on loopback, whose port is allowed."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import closing
from typing import Any

from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from integrations.connectors.base import Batch, Context, Limits, ReadRequest
from integrations.connectors.rest_api import RestApiConnector

QUICK = Limits(
    connect_timeout_seconds=2.0,
    read_timeout_seconds=2.0,
    attempts=1,
    backoff_initial_seconds=0.0,
    max_answer_bytes=4 * 1024 * 1024,
)
TOKEN = "tok-5f1c2e9a77"


def rest_context(server: HTTPServer, stream: dict[str, Any], *, limits: Limits = QUICK, **settings: Any) -> Context:
    """A connector's context with one stream `items` at /items of the server."""
    streams = [{"name": "items", "path": "/items", **stream}]
    return Context(
        settings={"base_url": f"http://{server.host}:{server.port}", "streams": streams, **settings},
        credential={"token": TOKEN},
        credential_kind="bearer",
        limits=limits,
        egress_allow=(f"{server.host}:{server.port}",),
    )


def serve(server: HTTPServer, answer: Callable[[Request], Response]) -> list[Request]:
    """Answer every request to /items; returns the list in which the requests are kept."""
    seen: list[Request] = []

    def handle(request: Request) -> Response:
        seen.append(request)
        return answer(request)

    server.expect_request("/items").respond_with_handler(handle)
    return seen


def as_json(value: object, **headers: str) -> Response:
    """An answer with this JSON."""
    return Response(json.dumps(value), content_type="application/json", headers=headers)


def read_all(context: Context, **request: Any) -> list[Batch]:
    """Every batch of the stream `items`."""
    with closing(RestApiConnector(context)) as connector:
        return list(connector.read(ReadRequest("items", **request)))


def ids(batches: list[Batch]) -> list[int]:
    """The ids of all records, in order."""
    return [row["id"] for batch in batches for row in batch.records.to_pylist()]
