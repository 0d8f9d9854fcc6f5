"""Middleware that gives each request its trace id and one log line."""

import time
from collections.abc import Callable

import structlog
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from config.trace import RESPONSE_HEADER, trace_id_from

logger = structlog.get_logger("signalbox.request")
# Asked every few seconds by machines; their answers are their own record.
_QUIET_PATHS = ("/healthz", "/readyz", "/metrics", "/static/")


class TraceMiddleware:
    """Binds `trace_id` to the request's context, its response and its log lines."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Answer the request inside its own logging context."""
        trace_id = trace_id_from(request.headers)
        started = time.perf_counter()
        with structlog.contextvars.bound_contextvars(trace_id=trace_id):
            response = self.get_response(request)
            response.headers[RESPONSE_HEADER] = trace_id
            _log(request, response.status_code, time.perf_counter() - started)
        return response


def _log(request: HttpRequest, status: int, seconds: float) -> None:
    if status < 500 and request.path.startswith(_QUIET_PATHS):
        return
    log = logger.error if status >= 500 else logger.info
    # The path without its query: a query may carry what somebody searched for, or a secret.
    log("request", method=request.method, path=request.path, status=status, milliseconds=round(seconds * 1000))
