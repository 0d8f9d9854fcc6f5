"""Answers every failure of the API as a problem document (RFC 9457)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, cast

import structlog
from django.conf import settings
from django.core.exceptions import PermissionDenied, RequestDataTooBig
from django.http import Http404
from rest_framework import exceptions
from rest_framework.response import Response
from rest_framework.views import set_rollback

from accounts.errors import (
    CATALOGUE,
    INPUT_INVALID,
    NOT_FOUND,
    PERMISSION_DENIED,
    Invalid,
    SignalboxError,
    declare,
)
from accounts.services.denials import note_denial

CONTENT_TYPE = "application/problem+json"
NOT_SIGNED_IN = declare(
    "not_signed_in",
    "The request carries no valid token or session.",
    "Send `Authorization: Bearer <token>`, or sign in.",
)
METHOD_NOT_ALLOWED = declare(
    "method_not_allowed", "This address does not know that method.", "See the address in /api/docs/."
)
MEDIA_TYPE_UNSUPPORTED = declare(
    "media_type_unsupported", "The API speaks JSON only.", "Send and accept `application/json`."
)
BODY_TOO_LARGE = declare(
    "body_too_large",
    "The request's body is too large.",
    "Send less at once: several requests, or a file for a connector.",
)
TOO_MANY_REQUESTS = declare(
    "too_many_requests", "Too many requests in a short time.", "Wait as long as `Retry-After` says, then go on."
)
_CODES = {
    400: INPUT_INVALID,
    401: NOT_SIGNED_IN,
    403: PERMISSION_DENIED,
    404: NOT_FOUND,
    405: METHOD_NOT_ALLOWED,
    406: MEDIA_TYPE_UNSUPPORTED,
    413: BODY_TOO_LARGE,
    415: MEDIA_TYPE_UNSUPPORTED,
    429: TOO_MANY_REQUESTS,
}
Fields = Mapping[str, list[str]]


class BodyTooLarge(exceptions.APIException):
    """HTTP 413; REST framework has none of its own."""

    status_code = 413


def problem_handler(
    error: Exception, context: Mapping[str, Any]
) -> Response | None:  # DRF's, with values of every kind
    """The problem document of an error; None for a crash, which then becomes a 500."""
    error = _as_api_error(error)
    note_denial(context.get("request"), error)
    if isinstance(error, SignalboxError):
        fields = {name: [message] for name, message in error.fields.items()} if isinstance(error, Invalid) else {}
        document = problem(error.status, error.code, error.message, what_to_do=error.what_to_do, errors=fields)
        return _response(document, {})
    if isinstance(error, exceptions.APIException):
        return _response(_of_api_exception(error), _headers(error))
    return None


def problem(
    status: int, code: str, detail: str, *, what_to_do: str = "", errors: Fields | None = None
) -> dict[str, object]:
    """One problem document."""
    document: dict[str, object] = {
        "type": f"urn:signalbox:error:{code}",
        "title": CATALOGUE[code].meaning,
        "status": status,
        "detail": detail,
        "code": code,
        "what_to_do": what_to_do or CATALOGUE[code].what_to_do,
        "trace_id": str(structlog.contextvars.get_contextvars().get("trace_id", "")),
    }
    return document | ({"errors": errors} if errors else {})


def _as_api_error(error: Exception) -> Exception:
    if isinstance(error, Http404):
        return exceptions.NotFound(CATALOGUE[NOT_FOUND].meaning)
    if isinstance(error, PermissionDenied):
        return exceptions.PermissionDenied()
    if isinstance(error, RequestDataTooBig):
        return BodyTooLarge(f"At most {settings.DATA_UPLOAD_MAX_MEMORY_SIZE} bytes are read.")
    return error


def _of_api_exception(error: exceptions.APIException) -> dict[str, object]:
    code = _CODES.get(error.status_code, INPUT_INVALID)
    if isinstance(error, exceptions.ValidationError):
        fields = dict(_flat("", error.detail))
        return problem(error.status_code, code, CATALOGUE[code].meaning, errors=fields)
    return problem(error.status_code, code, str(error.detail))


def _flat(path: str, detail: object) -> list[tuple[str, list[str]]]:
    """`{"a": {"b": ["wrong"]}}` becomes `[("a.b", ["wrong"])]`."""
    if isinstance(detail, Mapping):
        return [pair for name, inner in detail.items() for pair in _flat(f"{path}.{name}".lstrip("."), inner)]
    if isinstance(detail, list) and any(isinstance(item, Mapping | list) for item in detail):
        return [pair for index, inner in enumerate(detail) for pair in _flat(f"{path}.{index}".lstrip("."), inner)]
    messages = [str(item) for item in detail] if isinstance(detail, list) else [str(detail)]
    return [(path or "request", messages)]


def _headers(error: exceptions.APIException) -> dict[str, str]:
    headers = {}
    # DRF hangs these on the exception as it goes by (`APIView.handle_exception`, `Throttled`).
    challenge, wait = getattr(error, "auth_header", None), getattr(error, "wait", None)
    if challenge:
        headers["WWW-Authenticate"] = str(challenge)
    if wait is not None:
        headers["Retry-After"] = f"{math.ceil(wait)}"
    return headers


def _response(document: dict[str, object], headers: dict[str, str]) -> Response:
    set_rollback()
    return Response(document, status=cast(int, document["status"]), headers=headers, content_type=CONTENT_TYPE)
