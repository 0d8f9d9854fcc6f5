"""A TCP proxy that harms the connections through it: latency, resets, black holes, truncation, duplicates, refusals."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import struct
import threading
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from typing import Any

CHUNK = 64 * 1024
# SO_LINGER with no time: the close sends a reset in place of an end.
_RESET = struct.pack("ii", 1, 0)


@dataclass(frozen=True)
class Harm:
    """What is done to connections. Bytes are counted for each connection, of the direction that `upstream` names.

    `duplicate` sends everything of the client to a second connection, too, whose answers nobody reads.
    """

    latency_seconds: float = 0.0
    reset_after_bytes: int | None = None
    truncate_after_bytes: int | None = None
    black_hole: bool = False
    duplicate: bool = False
    accept_then_close: bool = False
    upstream: bool = False


@dataclass(eq=False)
class Link:
    """One client's connection, and those that were opened for it."""

    client: asyncio.StreamWriter
    servers: list[asyncio.StreamWriter] = field(default_factory=list)
    passed: dict[bool, int] = field(default_factory=lambda: {True: 0, False: 0})

    def reset(self) -> None:
        """End both sides at once, with a reset."""
        for writer in (self.client, *self.servers):
            found = writer.get_extra_info("socket")
            if found is not None and found.fileno() >= 0:
                found.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            writer.transport.abort()

    def end(self) -> None:
        """Close both sides in order."""
        for writer in (self.client, *self.servers):
            writer.close()


class Proxy:
    """Listens on `port`, and passes on to `target` what the harm lets through; `control_port` takes lines of JSON."""

    def __init__(self, target_port: int) -> None:
        self.target_port = target_port
        self.port = self.control_port = 0
        self.cuts = 0
        self._harm = Harm()
        self._links: set[Link] = set()
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()
        self._open = asyncio.Event()
        self._open.set()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, name="proxy", daemon=True)

    def harm(self, **changes: Any) -> None:
        """Set what happens from now on, to open connections too; without arguments nothing does."""
        self._call(replace(Harm(), **changes))

    def cut(self) -> None:
        """Reset every connection that is open now."""
        self._call(None)

    @property
    def open_links(self) -> int:
        """How many connections are open now."""
        return len(self._links)

    def start(self) -> None:
        """Begin to listen."""
        self._thread.start()
        self._ready.wait()

    def stop(self) -> None:
        """End all connections and the proxy."""
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()

    def _call(self, harm: Harm | None) -> None:
        asyncio.run_coroutine_threadsafe(self._apply(harm), self._loop).result()

    async def _apply(self, harm: Harm | None) -> None:
        if harm is not None:
            self._harm = harm
            (self._open.clear if harm.black_hole else self._open.set)()
            return
        self.cuts += 1
        for link in list(self._links):
            link.reset()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._serve())
        self._loop.close()

    async def _serve(self) -> None:
        listener = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        control = await asyncio.start_server(self._controlled, "127.0.0.1", 0)
        self.port, self.control_port = (server.sockets[0].getsockname()[1] for server in (listener, control))
        self._ready.set()
        await self._stop.wait()
        for server in (listener, control):
            server.close()
        for link in list(self._links):
            link.reset()
        while others := asyncio.all_tasks() - {asyncio.current_task()}:
            for task in others:
                task.cancel()
            await asyncio.gather(*others, return_exceptions=True)

    async def _controlled(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        line = json.loads(await reader.readline())
        await self._apply(Harm(**line) if line else None)
        writer.write(b"done\n")
        await writer.drain()
        writer.close()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._harm.accept_then_close:
            writer.close()
            return
        link = Link(writer)
        self._links.add(link)
        try:
            with contextlib.suppress(OSError):
                await self._join(link, reader)
        finally:
            self._links.discard(link)
            link.end()

    async def _join(self, link: Link, reader: asyncio.StreamReader) -> None:
        answers, server = await asyncio.open_connection("127.0.0.1", self.target_port)
        link.servers.append(server)
        passing = [self._pass(link, reader, upstream=True), self._pass(link, answers, upstream=False)]
        if self._harm.duplicate:
            ignored, second = await asyncio.open_connection("127.0.0.1", self.target_port)
            link.servers.append(second)
            passing.append(self._ignore(ignored))
        tasks = [asyncio.ensure_future(one) for one in passing]
        try:
            # Either side's end is the end of both.
            await asyncio.wait(tasks[:2], return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _ignore(self, reader: asyncio.StreamReader) -> None:
        while await reader.read(CHUNK):
            pass

    async def _pass(self, link: Link, reader: asyncio.StreamReader, *, upstream: bool) -> None:
        writers = link.servers if upstream else [link.client]
        while data := await reader.read(CHUNK):
            harm = self._harm
            await asyncio.sleep(harm.latency_seconds)
            await self._open.wait()
            allowed = self._allowed(link, upstream, len(data))
            for writer in writers:
                writer.write(data[:allowed])
                await writer.drain()
            link.passed[upstream] += allowed
            if allowed < len(data):
                if harm.reset_after_bytes is not None:
                    link.reset()
                return

    def _allowed(self, link: Link, upstream: bool, size: int) -> int:
        limits = (self._harm.reset_after_bytes, self._harm.truncate_after_bytes)
        if upstream is not self._harm.upstream or limits == (None, None):
            return size
        most = min(limit for limit in limits if limit is not None)
        return max(0, min(size, most - link.passed[upstream]))


@contextlib.contextmanager
def proxied(target_port: int) -> Iterator[Proxy]:
    """A proxy to a loopback port until the block ends."""
    proxy = Proxy(target_port)
    proxy.start()
    try:
        yield proxy
    finally:
        proxy.stop()


def ask(control_port: int, harm: Harm | None) -> None:
    """Command the proxy of another process, and wait until it is done; None cuts what is open."""
    with socket.create_connection(("127.0.0.1", control_port), timeout=5) as link:
        link.sendall(json.dumps(asdict(harm) if harm else {}).encode() + b"\n")
        if link.recv(16) != b"done\n":
            raise ConnectionError("the proxy did not answer")
