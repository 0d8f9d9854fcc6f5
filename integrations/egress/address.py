"""The one strict parser of hosts and URLs: what it does not understand in exactly one way, it refuses.

Two parsers that read one text differently are the usual way around an address check, so there are no second readings
here: no user information, no percent-encoded or Unicode-digit host, no short, octal or hexadecimal IP address.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import AddressValueError, IPv4Address, IPv6Address
from urllib.parse import SplitResult, urlsplit

import idna

from integrations.egress.table import MAPPED
from integrations.errors import ADDRESS_INVALID, NeedsPerson

MAX_URL_CHARACTERS = 8192
MAX_HOST_CHARACTERS = 253
DEFAULT_PORTS = {"http": 80, "https": 443}
LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?", re.ASCII)
# A last label like this makes a resolver read the whole host as an IPv4 address (inet_aton).
NUMBER_LABEL = re.compile(r"\d+|0x[0-9a-f]*", re.ASCII)
AUTHORITY = re.compile(r"(?P<host>\[[^\[\]]*\]|[^\[\]:]*)(?::(?P<port>[0-9]{1,5}))?", re.ASCII)


@dataclass(frozen=True)
class Endpoint:
    """A scheme, a canonical host and a port. `netloc` is the exact text that an allow-list entry must equal."""

    scheme: str
    host: str
    port: int

    @property
    def netloc(self) -> str:
        return netloc(self.host, self.port)


def netloc(host: str, port: int) -> str:
    """`host:port`, with brackets around an IPv6 address."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def parse_host(host: str) -> str:
    """The canonical form of a host name or IP literal (without brackets), or NeedsPerson(ADDRESS_INVALID)."""
    if host.startswith("[") and host.endswith("]"):
        return _parse_ipv6(host[1:-1])
    if ":" in host:
        return _parse_ipv6(host)
    name = _to_ascii(host).lower()
    labels = name.split(".")
    if NUMBER_LABEL.fullmatch(labels[-1]):
        return _parse_ipv4(name)
    if len(name) > MAX_HOST_CHARACTERS or not all(LABEL.fullmatch(label) for label in labels):
        raise _invalid("The host name is not valid.")
    return name


def parse_port(port: int) -> int:
    """`port`, if it is one."""
    if not 1 <= port <= 65535:
        raise _invalid("The port is not between 1 and 65535.")
    return port


def parse_url(url: str) -> Endpoint:
    """Where an http or https URL points to, without touching the network. Messages never repeat the URL."""
    parts = split_url(url)
    match = AUTHORITY.fullmatch(parts.netloc)
    if match is None:
        raise _invalid("The host of the address is not valid.")
    port = int(match["port"]) if match["port"] else DEFAULT_PORTS[parts.scheme]
    return Endpoint(parts.scheme, parse_host(match["host"]), parse_port(port))


def split_url(url: str) -> SplitResult:
    """The parts of a URL that holds nothing two parsers could disagree about."""
    if not url or len(url) > MAX_URL_CHARACTERS:
        raise _invalid("The address is empty or too long.")
    if any(char <= " " or char == "\x7f" or char.isspace() or not char.isprintable() for char in url):
        raise _invalid("The address holds a space or a control character.")
    if "\\" in url:
        raise _invalid("The address holds a backslash.")
    scheme, separator, _ = url.partition("://")
    if not separator or scheme.lower() not in DEFAULT_PORTS:
        raise _invalid("The address must start with http:// or https://.")
    try:
        parts = urlsplit(url)
    except ValueError:
        raise _invalid("The host of the address is not valid.") from None
    _refuse_odd_authority(parts.netloc)
    return parts


def _refuse_odd_authority(authority: str) -> None:
    if "@" in authority:
        raise _invalid("The address holds a user name or password; use a credential for these.")
    if "%" in authority:
        raise _invalid("The host of the address is percent-encoded.")


def _to_ascii(host: str) -> str:
    if host.isascii():
        return host
    if any(not char.isascii() and char.isnumeric() for char in host):
        raise _invalid("The host name holds digits that are not ASCII.")
    try:
        return idna.encode(host, strict=True, std3_rules=True).decode("ascii")
    except idna.IDNAError:
        raise _invalid("The host name is not a valid international name.") from None


def _parse_ipv4(host: str) -> str:
    try:
        address = IPv4Address(host)
    except AddressValueError:
        raise _invalid("The IP address is not in its canonical form (four decimal numbers).") from None
    return str(address)


def _parse_ipv6(host: str) -> str:
    try:
        address = IPv6Address(host)
    except AddressValueError:
        raise _invalid("The IPv6 address is not valid.") from None
    if address.scope_id is not None or str(address) != host:
        raise _invalid("The IPv6 address is not in its canonical form (RFC 5952).")
    if address in MAPPED:
        raise _invalid("The IPv6 address stands for an IPv4 address; write the IPv4 address.")
    return str(address)


def _invalid(message: str) -> NeedsPerson:
    return NeedsPerson(ADDRESS_INVALID, message)
