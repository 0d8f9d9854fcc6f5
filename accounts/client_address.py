"""Where a request came from: one rule for audit, sign-in limits and the API's throttles."""

from __future__ import annotations

from ipaddress import ip_address

from django.conf import settings
from django.http import HttpRequest


def client_ip(request: HttpRequest) -> str | None:
    """The peer, or the entry of X-Forwarded-For that the outermost of our own proxies wrote.

    With TRUSTED_PROXY_COUNT = n the n-th entry from the right counts; everything left of it is the client's own word.
    """
    peer = _valid(request.META.get("REMOTE_ADDR", ""))
    count = int(settings.TRUSTED_PROXY_COUNT)
    if count < 1:
        return peer
    forwarded = [part.strip() for part in request.META.get("HTTP_X_FORWARDED_FOR", "").split(",") if part.strip()]
    if len(forwarded) < count:
        return peer
    return _valid(forwarded[-count]) or peer


def _valid(text: str) -> str | None:
    try:
        return str(ip_address(text))
    except ValueError:
        return None
