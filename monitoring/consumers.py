"""The live socket: says what changed after the cursor that the browser last saw."""

from __future__ import annotations

import asyncio
import contextlib
from urllib.parse import parse_qs, urlsplit

from asgiref.sync import sync_to_async
from channels.generic.websocket import AsyncWebsocketConsumer
from django.http.request import validate_host
from django.conf import settings

from accounts.access import has_permission
from accounts.models import User, Workspace
from accounts.permissions import public, requires_permission
from monitoring.stream import Cursor, StreamEvent, frame, newest
from monitoring.tail import tail

PING_SECONDS = 10.0
REFUSED, GONE = 4403, 4404


class EventsConsumer(AsyncWebsocketConsumer):
    """Accepts, then sends frames until the browser leaves or may no longer read. Subclasses say who may."""

    _tasks: tuple[asyncio.Task[None], ...] = ()

    async def connect(self) -> None:
        """Check origin and permission before the socket is accepted."""
        if not _same_origin(self.scope["headers"]):
            await self.close(REFUSED)
            return
        slug = self.scope["url_route"]["kwargs"]["workspace"]
        self.workspace = await sync_to_async(Workspace.objects.filter(slug=slug).first)()
        if self.workspace is None or not await self._allowed():
            await self.close(GONE)
            return
        query = parse_qs(self.scope["query_string"].decode())
        cursor = Cursor.parse(query.get("after", [""])[0]) or await sync_to_async(newest)()
        await self.accept()
        await self.send('{"hello":true,"cursor":"%s"}' % cursor)
        self._tasks = (asyncio.create_task(self._forward(cursor)), asyncio.create_task(self._ping()))

    async def disconnect(self, code: int) -> None:
        """Stop following."""
        for task in self._tasks:
            task.cancel()
        for task in self._tasks:
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        """The browser has nothing to say here."""

    async def _forward(self, cursor: Cursor) -> None:
        async for position, events in tail().follow(self.workspace.pk, cursor):
            await self.send(frame(position, [self._shown(event) for event in events]).decode())

    async def _ping(self) -> None:
        number = 0
        while True:
            await asyncio.sleep(PING_SECONDS)
            number += 1
            if not await self._allowed():
                await self.close(REFUSED)
                return
            await self.send('{"ping":%d}' % number)

    async def _allowed(self) -> bool:
        raise NotImplementedError

    def _shown(self, event: StreamEvent) -> bytes:
        raise NotImplementedError


@requires_permission("workspace.read")
class WorkspaceEvents(EventsConsumer):
    """Members see each event's object, kind and counters."""

    async def _allowed(self) -> bool:
        user = self.scope["user"]
        if not isinstance(user, User):
            return False
        return await sync_to_async(has_permission)(await _fresh(user), self.workspace, "workspace.read")

    def _shown(self, event: StreamEvent) -> bytes:
        return event.payload


@public("a public status page is live too; it tells topics alone, and closes when the page is no longer public")
class StatusEvents(EventsConsumer):
    """Anybody may follow a public status page: that something of a topic changed, and nothing of what."""

    async def _allowed(self) -> bool:
        fresh = await sync_to_async(Workspace.objects.filter(pk=self.workspace.pk).first)()
        if fresh is None:
            return False
        user = self.scope["user"]
        if fresh.has_public_status:
            return True
        return isinstance(user, User) and await sync_to_async(has_permission)(
            await _fresh(user), fresh, "workspace.read"
        )

    def _shown(self, event: StreamEvent) -> bytes:
        return event.outline


@sync_to_async
def _fresh(user: User) -> User:
    return User.objects.get(pk=user.pk)


def _same_origin(headers: list[tuple[bytes, bytes]]) -> bool:
    """The page that opens the socket must come from the host that it connects to."""
    found = {name.lower(): value.decode("latin-1") for name, value in headers}
    origin, host = urlsplit(found.get(b"origin", "")), found.get(b"host", "")
    return (
        bool(origin.netloc)
        and origin.netloc == host
        and validate_host(host.rpartition(":")[0] or host, settings.ALLOWED_HOSTS)
    )
