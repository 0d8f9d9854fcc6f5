"""Error pages: what happened, and what to do."""

from __future__ import annotations

import structlog
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render

from accounts.api.problems import CONTENT_TYPE, problem
from accounts.domain.roles import ROLE_PERMISSIONS
from accounts.errors import CATALOGUE, INPUT_INVALID, NOT_FOUND, PERMISSION_DENIED, SignalboxError, declare

SERVER_ERROR = declare(
    "server_error",
    "Something failed inside Signalbox.",
    "Try again; if it stays, give the trace id to your administrator.",
)
_TITLES = {
    400: "That request cannot be used",
    403: "Your role does not allow this",
    404: "Nothing here",
    409: "That changed",
}


def problem_page(request: HttpRequest, error: SignalboxError) -> HttpResponse:
    """A declared error as a page, or as a fragment for htmx."""
    permission = str(error.detail.get("permission", ""))
    return _answer(request, error.status, error.code, error.message, error.what_to_do, permission)


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:  # noqa: ARG001 - Django passes it
    """Django's 400."""
    return _catalogued(request, 400, INPUT_INVALID)


def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponse:  # noqa: ARG001 - Django passes it
    """Django's 403 (a PermissionDenied of Django or allauth)."""
    return _catalogued(request, 403, PERMISSION_DENIED)


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:  # noqa: ARG001 - Django passes it
    """Django's 404."""
    return _catalogued(request, 404, NOT_FOUND)


def server_error(request: HttpRequest) -> HttpResponse:
    """Django's 500: needs no database and no signed-in person."""
    return _catalogued(request, 500, SERVER_ERROR)


def _catalogued(request: HttpRequest, status: int, code: str) -> HttpResponse:
    entry = CATALOGUE[code]
    return _answer(request, status, code, entry.meaning, entry.what_to_do, "")


def _answer(
    request: HttpRequest, status: int, code: str, message: str, what_to_do: str, permission: str
) -> HttpResponse:
    if request.path.startswith("/api/"):
        return problem_response(status, code, message, what_to_do)
    context = {
        "status": status,
        "title": _TITLES.get(status, "Something failed"),
        "code": code,
        "message": message,
        "what_to_do": what_to_do,
        "trace_id": str(structlog.contextvars.get_contextvars().get("trace_id", "")),
        "permission": permission,
        "roles": [role.value for role, held in ROLE_PERMISSIONS.items() if permission in held],
    }
    name = "errors/fragment.html" if request.headers.get("HX-Request") else _page_for(status)
    # At 500 the database may be what failed: no context processor then, so no look at the session.
    return render(request if status < 500 else None, name, context, status=status)


def _page_for(status: int) -> str:
    return f"{status}.html" if status in (403, 404, 500) else "errors/problem.html"


def problem_response(status: int, code: str, message: str, what_to_do: str) -> JsonResponse:
    """The same document as the API's own, for API paths that never reached an API view."""
    body = problem(status, code, message, what_to_do=what_to_do)
    return JsonResponse(body, status=status, content_type=CONTENT_TYPE)
