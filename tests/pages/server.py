"""A small server for browser tests: sample pages, static files, and the live protocol with switches to break it."""

from __future__ import annotations

import asyncio
import json
import mimetypes
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import uvicorn
from django.conf import settings
from django.contrib.staticfiles import finders

from tests.servers import free_port, wait_until

CSP = "; ".join(f"{name} {' '.join(values)}" for name, values in settings.CONTENT_SECURITY_POLICY["DIRECTIVES"].items())


@dataclass
class LiveServer:
    """Serves `pages` by path; `events` is the log, whose cursor is its length.

    `refused` names broken transports, `held` pages that do not answer yet.
    """

    pages: dict[str, Callable[[], str]] = field(default_factory=dict)
    events: list[dict[str, Any]] = field(default_factory=list)
    refused: set[str] = field(default_factory=set)
    held: set[str] = field(default_factory=set)
    seen: list[str] = field(default_factory=list)
    generation: int = 0
    open_sockets: int = 0
    url: str = ""

    def tell(self, **event: Any) -> None:
        """Append an event to the log."""
        self.events.append(
            {"id": len(self.events) + 1, "topic": "run", "object": None, "run": None, "data": {}} | event
        )

    def cut(self) -> None:
        """End every open socket and stream."""
        self.generation += 1

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """ASGI."""
        if scope["type"] == "websocket":
            await self._socket(scope, receive, send)
        elif scope["type"] == "http":
            await self._http(scope, send)

    async def _http(self, scope: Any, send: Any) -> None:
        path = scope["path"]
        if path.endswith("/events/stream/"):
            await self._stream(scope, send)
        elif path.endswith("/events/"):
            await self._poll(scope, send)
        elif path in self.pages:
            body = self.pages[path]().encode()
            while path in self.held:  # noqa: ASYNC110 - another thread, the test, lets it go
                await asyncio.sleep(0.02)
            await _answer(send, 200, body, "text/html; charset=utf-8")
        else:
            await _answer(send, *_static(path.removeprefix("/static/")))

    async def _socket(self, scope: Any, receive: Any, send: Any) -> None:
        self.seen.append("socket")
        await receive()
        if "hang" in self.refused:
            await receive()
            return
        if "socket" in self.refused:
            await send({"type": "websocket.close", "code": 1013})
            return
        await send({"type": "websocket.accept"})
        generation, at = self.generation, _after(scope)
        await send({"type": "websocket.send", "text": json.dumps({"hello": True, "cursor": str(at)})})
        gone = asyncio.ensure_future(receive())
        self.open_sockets += 1
        while self.generation == generation and not gone.done():
            if at < len(self.events):
                await send({"type": "websocket.send", "text": self._frame(at)})
                at = len(self.events)
            await asyncio.sleep(0.02)
        self.open_sockets -= 1
        if not gone.done():
            gone.cancel()
            await send({"type": "websocket.close", "code": 1012})

    async def _stream(self, scope: Any, send: Any) -> None:
        self.seen.append("stream")
        if "stream" in self.refused:
            await _answer(send, 503, b"", "text/plain")
            return
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/event-stream")]})
        generation, at = self.generation, _after(scope)
        await _line(send, json.dumps({"hello": True, "cursor": str(at)}))
        while self.generation == generation:
            if at < len(self.events):
                await _line(send, self._frame(at))
                at = len(self.events)
            await asyncio.sleep(0.02)
        await send({"type": "http.response.body", "body": b""})

    async def _poll(self, scope: Any, send: Any) -> None:
        self.seen.append("poll")
        if "poll" in self.refused:
            await _answer(send, 503, b"", "text/plain")
        elif "person" in self.refused:
            await _answer(send, 404, b"", "text/plain")
        else:
            await _answer(send, 200, self._frame(_after(scope)).encode(), "application/json")

    def _frame(self, at: int) -> str:
        return json.dumps({"cursor": str(len(self.events)), "events": self.events[at:]})


def _static(path: str) -> tuple[int, bytes, str]:
    found = finders.find(path)
    kind = mimetypes.guess_type(path)[0] or "application/octet-stream"
    return (200, Path(str(found)).read_bytes(), kind) if found else (404, b"", kind)


def _after(scope: Any) -> int:
    return int(parse_qs(scope["query_string"].decode())["after"][0])


async def _line(send: Any, text: str) -> None:
    await send({"type": "http.response.body", "body": f"data: {text}\n\n".encode(), "more_body": True})


async def _answer(send: Any, status: int, body: bytes, kind: str) -> None:
    headers = [(b"content-type", kind.encode()), (b"content-security-policy", CSP.encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


@contextmanager
def serving(app: LiveServer) -> Iterator[LiveServer]:
    """Run it in a thread until the block ends."""
    port = free_port()
    config = uvicorn.Config(app, port=port, log_level="error", lifespan="off", timeout_graceful_shutdown=1)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        wait_until(lambda: server.started, "the live server to start")
        app.url = f"http://127.0.0.1:{port}"
        yield app
    finally:
        app.cut()
        server.should_exit = True
        thread.join(10)
