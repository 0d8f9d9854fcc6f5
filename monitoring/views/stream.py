"""The live stream without a socket: server-sent events, and polling where even these do not get through."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

from django.http import Http404, HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.views.decorators.http import require_GET

from accounts.access import access_of
from accounts.models import User, Workspace
from accounts.permissions import public_view, workspace_view
from accounts.requests import WorkspaceRequest
from monitoring.stream import READ_AT_MOST, Cursor, StreamEvent, frame, newest, read_after
from monitoring.tail import tail

# A stream ends by itself after this: the browser comes back with its cursor, and its permission is asked for again.
STREAM_SECONDS = 60.0
PING_SECONDS = 10.0

Show = Callable[[StreamEvent], bytes]


@require_GET
@workspace_view("workspace.read")
def events_poll(request: WorkspaceRequest) -> HttpResponse:
    """Events after `?after=`, as one frame."""
    return _poll(request, request.workspace, lambda event: event.payload)


@require_GET
@workspace_view("workspace.read")
def events_stream(request: WorkspaceRequest) -> HttpResponseBase:
    """The same frames as server-sent events."""
    return _stream(request, request.workspace, lambda event: event.payload)


@require_GET
@public_view("follows the status page, which the workspace may open to anybody; refused where it did not")
def status_poll(request: HttpRequest, workspace: str) -> HttpResponse:
    """Topics that changed after `?after=`."""
    return _poll(request, readable_status(request, workspace), lambda event: event.outline)


@require_GET
@public_view("follows the status page, which the workspace may open to anybody; refused where it did not")
def status_stream(request: HttpRequest, workspace: str) -> HttpResponseBase:
    """Topics that changed, as server-sent events."""
    return _stream(request, readable_status(request, workspace), lambda event: event.outline)


def readable_status(request: HttpRequest, slug: str) -> Workspace:
    """The workspace whose status page this person may read; 404 for all others, as for one that does not exist."""
    workspace = Workspace.objects.filter(slug=slug).first()
    if workspace is None:
        raise Http404
    if workspace.has_public_status:
        return workspace
    access = access_of(request.user, slug) if isinstance(request.user, User) else None
    if access is None or not access.allows("workspace.read"):
        raise Http404
    return workspace


def _poll(request: HttpRequest, workspace: Workspace, show: Show) -> HttpResponse:
    cursor = Cursor.parse(request.GET.get("after", ""))
    end = newest()
    events = read_after(cursor, workspace.pk) if cursor else []
    full = len(events) == READ_AT_MOST
    at = events[-1].cursor if full else max(end, events[-1].cursor if events else end)
    return HttpResponse(frame(at, [show(event) for event in events]), content_type="application/json")


def _stream(request: HttpRequest, workspace: Workspace, show: Show) -> HttpResponseBase:
    cursor = Cursor.parse(request.GET.get("after", "")) or newest()
    response = StreamingHttpResponse(_frames(workspace, cursor, show), content_type="text/event-stream")
    response["X-Accel-Buffering"] = "no"
    return response


async def _frames(workspace: Workspace, cursor: Cursor, show: Show) -> AsyncIterator[bytes]:
    yield b'data: {"hello":true,"cursor":"%s"}\n\n' % str(cursor).encode()
    follower = tail().follow(workspace.pk, cursor)
    ends_at = asyncio.get_running_loop().time() + STREAM_SECONDS
    pending: asyncio.Future[tuple[Cursor, list[StreamEvent]]] | None = None
    try:
        while asyncio.get_running_loop().time() < ends_at:
            pending = pending or asyncio.ensure_future(anext(follower))
            done, _ = await asyncio.wait({pending}, timeout=PING_SECONDS)
            if not done:
                yield b'data: {"ping":1}\n\n'
                continue
            position, events = pending.result()
            pending = None
            yield b"data: " + frame(position, [show(event) for event in events]) + b"\n\n"
    finally:
        if pending:
            pending.cancel()
