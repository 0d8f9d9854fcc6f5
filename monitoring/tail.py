"""Follows the event log once for all sockets of this process, and lets each take what is new for it."""

from __future__ import annotations

import asyncio
from bisect import bisect_right
from collections.abc import AsyncIterator
from uuid import UUID

import structlog
from asgiref.sync import sync_to_async
from django.db import DatabaseError, close_old_connections

from monitoring.stream import Cursor, StreamEvent, newest, read_after

log = structlog.get_logger(__name__)
POLL_SECONDS = 0.2
KEEP_EVENTS = 5_000


class Tail:
    """The newest events in memory, and a signal when there are more. It runs while anybody follows."""

    def __init__(self) -> None:
        self._recent: list[StreamEvent] = []
        self._floor = Cursor()
        self._at = Cursor()
        self._followers = 0
        self._task: asyncio.Task[None] | None = None
        self._grown = asyncio.Condition()

    async def follow(self, workspace_id: UUID, cursor: Cursor) -> AsyncIterator[tuple[Cursor, list[StreamEvent]]]:
        """Yield what is new after `cursor` for one workspace, for ever; older than memory comes from the log."""
        self._followers += 1
        await self._ensure_running()
        try:
            while True:
                target = self._at
                events = await self._between(cursor, workspace_id)
                if events:
                    cursor = events[-1].cursor
                    yield cursor, events
                elif target > cursor:
                    cursor = target
                else:
                    await self._wait_beyond(cursor)
        finally:
            self._followers -= 1

    async def _between(self, cursor: Cursor, workspace_id: UUID) -> list[StreamEvent]:
        if cursor < self._floor:
            older: list[StreamEvent] = await _in_thread(read_after, cursor, workspace_id)
            return older
        start = bisect_right(self._recent, cursor, key=lambda event: event.cursor)
        return [event for event in self._recent[start:] if event.workspace_id == workspace_id]

    async def _wait_beyond(self, cursor: Cursor) -> None:
        async with self._grown:
            await self._grown.wait_for(lambda: self._at > cursor)

    async def _ensure_running(self) -> None:
        if self._task is None or self._task.done():
            self._recent = []
            self._at = self._floor = await _in_thread(newest)
            self._task = asyncio.create_task(self._run(), name="event-tail")

    async def _run(self) -> None:
        while self._followers:
            try:
                found = await _in_thread(read_after, self._at)
            except DatabaseError as error:
                log.warning("tail_cannot_read", reason=str(error), what_happens="it tries again")
                found = []
            if found:
                await self._take(found)
            else:
                await asyncio.sleep(POLL_SECONDS)

    async def _take(self, found: list[StreamEvent]) -> None:
        known = [*self._recent, *found]
        if len(known) > KEEP_EVENTS:
            self._floor = known[-KEEP_EVENTS - 1].cursor
        self._recent = known[-KEEP_EVENTS:]
        self._at = found[-1].cursor
        async with self._grown:
            self._grown.notify_all()


@sync_to_async(thread_sensitive=False)
def _in_thread(call, *args):  # type: ignore[no-untyped-def]  # a thin bridge: the callers above are typed
    close_old_connections()
    try:
        return call(*args)
    finally:
        close_old_connections()


_tails: dict[asyncio.AbstractEventLoop, Tail] = {}


def tail() -> Tail:
    """The tail of the running event loop: one in a web process."""
    loop = asyncio.get_running_loop()
    if loop not in _tails:
        for closed in [known for known in _tails if known.is_closed()]:
            del _tails[closed]
        _tails[loop] = Tail()
    return _tails[loop]
