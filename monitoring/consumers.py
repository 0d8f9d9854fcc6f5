"""The live socket: says what changed after the cursor that the browser last saw."""

from __future__ import annotations

import asyncio
import contextlib
from typing import ClassVar
from urllib.parse import parse_qs, urlsplit

from asgiref.sync import sync_to_async
from channels.generic.websocket import AsyncWebsocketConsumer
from django.conf import settings
from django.http.request import validate_host

from accounts.access import has_permission
from accounts.models import User, Workspace
from accounts.permissions import public, requires_permission
from monitoring.stream import Cursor, StreamEvent, frame, newest
from monitoring.tail import tail

PING_SECONDS = 10.0
REFUSED, GONE = 4403, 4404


class EventsConsumer(AsyncWebsocketConsumer):  # type: ignore[misc]  # channels has no types
    """Accepts, then sends frames until the browser leaves or may no longer read. Subclasses say who may."""

    is_outline: ClassVar[bool]
    workspace: Workspace
    tasks: tuple[asyncio.Task[None], ...] = ()

    async def connect(self) -> None:
        """Check origin and permission before the socket is accepted."""
        if not same_origin(self.scope["headers"]):
            await self.close(REFUSED)
            return
        found = await _workspace(self.scope["url_route"]["kwargs"]["workspace"])
        if found is None or not await self.allowed(found):
            await self.close(GONE)
            return
        self.workspace = found
        query = parse_qs(self.scope["query_string"].decode("latin-1"))
        cursor = Cursor.parse(query.get("after", [""])[0]) or await sync_to_async(newest)()
        await self.accept()
        await self.send(f'{{"hello":true,"cursor":"{cursor}"}}')
        self.tasks = (asyncio.create_task(self._forward(cursor)), asyncio.create_task(self._ping()))

    async def disconnect(self, _: int) -> None:
        """Stop following."""
        for task in self.tasks:
            task.cancel()
        for task in self.tasks:
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        """The browser has nothing to say here."""

    async def allowed(self, workspace: Workspace) -> bool:
        """Say whether the person at the other end may follow this workspace now."""
        raise NotImplementedError

    async def _forward(self, cursor: Cursor) -> None:
        async for position, events in tail().follow(self.workspace.pk, cursor):
            await self.send(frame(position, [self._shown(event) for event in events]).decode())

    async def _ping(self) -> None:
        number = 0
        while True:
            await asyncio.sleep(PING_SECONDS)
            number += 1
            if not await self.allowed(self.workspace):
                await self.close(REFUSED)
                return
            await self.send(f'{{"ping":{number}}}')

    def _shown(self, event: StreamEvent) -> bytes:
        return event.outline if self.is_outline else event.payload


@requires_permission("workspace.read")
class WorkspaceEvents(EventsConsumer):
    """Members see each event's object, kind and counters."""

    is_outline = False

    async def allowed(self, workspace: Workspace) -> bool:
        """Ask the database, so that a lost membership closes the socket."""
        return await _may_read(self.scope["user"], workspace)


@public("a public status page is live too; it tells topics alone, and closes when the page is no longer public")
class StatusEvents(EventsConsumer):
    """Anybody may follow a public status page: that something of a topic changed, and nothing of what."""

    is_outline = True

    async def allowed(self, workspace: Workspace) -> bool:
        """Anybody while the page is public, members always."""
        fresh = await _workspace(workspace.slug)
        return fresh is not None and (fresh.has_public_status or await _may_read(self.scope["user"], fresh))


@sync_to_async
def _workspace(slug: str) -> Workspace | None:
    return Workspace.objects.filter(slug=slug).first()


@sync_to_async
def _may_read(user: object, workspace: Workspace) -> bool:
    if not isinstance(user, User) or user.pk is None:
        return False
    fresh = User.objects.filter(pk=user.pk).first()
    return fresh is not None and has_permission(fresh, workspace, "workspace.read")


def same_origin(headers: list[tuple[bytes, bytes]]) -> bool:
    """The page that opens the socket must come from the very host that it connects to."""
    found = {name.lower(): value.decode("latin-1") for name, value in headers}
    origin, host = urlsplit(found.get(b"origin", "")), found.get(b"host", "")
    name = urlsplit(f"//{host}").hostname or ""
    allowed = validate_host(f"[{name}]" if ":" in name else name, settings.ALLOWED_HOSTS)
    return bool(origin.netloc) and origin.netloc == host and allowed
