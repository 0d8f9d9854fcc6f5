"""Notes where the event log ends before a page reads its data, so that the live page misses nothing after it."""

from __future__ import annotations

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

from monitoring.stream import newest

LIVE_PREFIXES = ("/w/", "/status/")


class LiveCursorMiddleware:
    """Sets `request.live_cursor` on whole pages; htmx partials keep the cursor of their page."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        wants_page = request.method == "GET" and not request.headers.get("HX-Request")
        if wants_page and request.path.startswith(LIVE_PREFIXES):
            request.live_cursor = str(newest())  # type: ignore[attr-defined]  # read by monitoring.context.live
        return self._get_response(request)
