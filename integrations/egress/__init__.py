"""The address check that every outgoing connection of this product passes, whatever its protocol."""

from __future__ import annotations

from integrations.egress.address import Endpoint, netloc, parse_host, parse_url
from integrations.egress.guard import (
    Resolver,
    check_url,
    check_url_syntax,
    checked_addresses,
    is_allowed,
    resolve_checked,
    system_resolver,
)

__all__ = [
    "Endpoint",
    "Resolver",
    "check_url",
    "check_url_syntax",
    "checked_addresses",
    "is_allowed",
    "netloc",
    "parse_host",
    "parse_url",
    "resolve_checked",
    "system_resolver",
]
