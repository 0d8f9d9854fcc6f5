"""Long headers are refused before anything reads them: by the ASGI application itself, as a server calls it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from asgiref.testing import ApplicationCommunicator

from config.asgi import application
from config.header_limits import MOST_BYTES, MOST_BYTES_OF_ONE

pytestmark = pytest.mark.security("SEC-096")
PATHS = ("/accounts/login/", "/api/v1/me/", "/w/acme/", "/healthz")
NAMES = (
    "accept",
    "accept-language",
    "authorization",
    "content-type",
    "cookie",
    "forwarded",
    "hx-target",
    "traceparent",
)
LONGEST = b"a" * (MOST_BYTES_OF_ONE - len(b"accept"))


async def answer_to(path: str, *headers: tuple[bytes, bytes], kind: str = "http") -> list[dict[str, Any]]:
    """What the application sends for a request with these headers: the first two messages, or one for a socket."""
    scope = {
        "type": kind, "http_version": "1.1", "method": "GET", "path": path, "query_string": b"",
        "headers": [(b"host", b"testserver"), *headers],
    }  # fmt: skip
    line = ApplicationCommunicator(application, scope)
    await line.send_input({"type": "http.request", "body": b""} if kind == "http" else {"type": "websocket.connect"})
    sent = [await line.receive_output(10) for _ in range(2 if kind == "http" else 1)]
    await line.wait(10)
    return sent


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("name", NAMES)
async def test_one_long_header_is_refused_with_what_to_do(name: str, path: str) -> None:
    start, body = await answer_to(path, (name.encode(), b"," * MOST_BYTES_OF_ONE))
    assert start["status"] == 431
    assert json.loads(body["body"])["code"] == "headers_too_large"


async def test_many_headers_are_refused_by_what_they_are_together() -> None:
    many = [(b"x-%d" % number, b"a" * 1000) for number in range(MOST_BYTES // 1000 + 1)]
    assert (await answer_to("/healthz", *many))[0]["status"] == 431
    assert (await answer_to("/healthz", *many[: len(many) // 2]))[0]["status"] == 200


async def test_the_longest_allowed_header_is_answered() -> None:
    assert (await answer_to("/healthz", (b"accept", LONGEST)))[0]["status"] == 200
    assert (await answer_to("/healthz", (b"accept", LONGEST + b"a")))[0]["status"] == 431


async def test_a_socket_with_a_long_header_never_opens() -> None:
    (message,) = await answer_to("/ws/acme/", (b"cookie", b"a" * MOST_BYTES_OF_ONE), kind="websocket")
    assert (message["type"], message["reason"]) == ("websocket.close", "headers_too_large")
