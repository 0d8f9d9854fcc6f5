"""Refuses requests with long headers before anything reads them: some of their readers take quadratic time."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
import structlog
from asgiref.typing import ASGI3Application, ASGIReceiveCallable, ASGISendCallable, Scope

from accounts.api.problems import CONTENT_TYPE, problem
from accounts.errors import CATALOGUE, declare

# What browsers and proxies send stays far below.
MOST_BYTES_OF_ONE, MOST_BYTES = 8 * 1024, 32 * 1024
HEADERS_TOO_LARGE = declare(
    "headers_too_large",
    "The request's headers are too large.",
    f"Send at most {MOST_BYTES_OF_ONE} bytes in one header and {MOST_BYTES} in all; in a browser, delete the cookies of"
    " this site.",
)
_STATUS = 431
logger = structlog.get_logger("signalbox.request")


class HeaderLimit:
    """ASGI middleware: HTTP gets 431 (a problem document), a WebSocket is closed before it is open."""

    def __init__(self, application: ASGI3Application) -> None:
        self._application = application

    async def __call__(self, scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        """Answer, or pass on what is short enough."""
        if scope["type"] == "lifespan" or not is_too_large(scope["headers"]):
            await self._application(scope, receive, send)
            return
        logger.warning("request refused", path=scope["path"], code=HEADERS_TOO_LARGE)
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008, "reason": HEADERS_TOO_LARGE})
            return
        meaning = CATALOGUE[HEADERS_TOO_LARGE].meaning
        body = msgspec.json.encode(problem(_STATUS, HEADERS_TOO_LARGE, meaning))
        headers = [(b"content-type", CONTENT_TYPE.encode()), (b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": _STATUS, "headers": headers, "trailers": False})
        await send({"type": "http.response.body", "body": body, "more_body": False})


def is_too_large(headers: Iterable[tuple[bytes, bytes]]) -> bool:
    """Whether one of ASGI's headers, pairs of bytes, or all together are longer than allowed."""
    sizes = [len(name) + len(value) for name, value in headers]
    return sum(sizes) > MOST_BYTES or max(sizes, default=0) > MOST_BYTES_OF_ONE
