"""Middleware that says who acts, keeps answers out of caches, and shows our errors as pages."""

from __future__ import annotations

from collections.abc import Callable

import structlog
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from accounts.client_address import client_ip
from accounts.errors import SignalboxError
from accounts.models import ApiToken
from accounts.request_context import Actor, RequestContext, entered
from accounts.services.denials import note_denial
from accounts.views.errors import problem_page


class RequestContextMiddleware:
    """Enters the request context that `accounts.audit` reads."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Answer within the context; every answer that Django makes here is somebody's, so none is stored."""
        trace_id = str(structlog.contextvars.get_contextvars().get("trace_id", ""))
        with entered(RequestContext(lambda: actor_of(request), client_ip(request), trace_id)):
            response = self.get_response(request)
        response.headers["Cache-Control"] = "no-store"
        return response

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponseBase | None:
        """A declared error that a page did not handle becomes a page with what to do; others are crashes."""
        note_denial(request, exception)
        return problem_page(request, exception) if isinstance(exception, SignalboxError) else None


def actor_of(request: HttpRequest) -> Actor:
    """The person or token behind a request; `auth` is what Django REST framework leaves on it."""
    if not request.user.is_authenticated:
        return Actor(system="anonymous")
    token = getattr(request, "auth", None)
    return Actor(user=request.user, token=token if isinstance(token, ApiToken) else None)
