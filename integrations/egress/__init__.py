"""The address check that every outgoing connection of this product passes, whatever its protocol."""

from __future__ import annotations

from integrations.egress.address import Endpoint, netloc, parse_host, parse_url
from integrations.egress.connecting import connect_checked, open_checked_socket, require_connected
from integrations.egress.guard import (
    check_host_syntax,
    check_url,
    check_url_syntax,
    checked_addresses,
    is_allowed,
    resolve_checked,
)
from integrations.egress.own import OWN_SERVERS
from integrations.egress.resolver import Resolver, system_resolver

__all__ = [
    "OWN_SERVERS",
    "Endpoint",
    "Resolver",
    "check_host_syntax",
    "check_url",
    "check_url_syntax",
    "checked_addresses",
    "connect_checked",
    "is_allowed",
    "netloc",
    "open_checked_socket",
    "parse_host",
    "parse_url",
    "require_connected",
    "resolve_checked",
    "system_resolver",
]
