"""The egress guard: resolve a host, judge every address that it has, and hand out only a checked one.

The caller connects to the returned address itself, never to the name again, so a second DNS answer cannot matter.
"""

from __future__ import annotations

from ipaddress import ip_address

from integrations.egress.address import Endpoint, netloc, parse_host, parse_port, parse_url
from integrations.egress.own import OWN_SERVERS
from integrations.egress.resolver import Resolver, system_resolver
from integrations.egress.table import IPAddress, Verdict, judge
from integrations.errors import ADDRESS_BLOCKED, HOST_NOT_FOUND, NeedsPerson

# Ports of services that are not HTTP: a request line sent there can be read as their commands.
_NOT_HTTP = (
    "1 7 9 11 13 19 20 21 22 23 25 53 69 79 110 111 119 135 139 143 389 445 465 513 514 515 587 636 873 993 995 "
    "1433 1521 2049 3306 3389 4369 5432 5672 6379 9042 11211 25672 27017"
)
NOT_HTTP_PORTS = frozenset(map(int, _NOT_HTTP.split()))


def checked_addresses(
    host: str, port: int, allow: tuple[str, ...], *, resolver: Resolver = system_resolver
) -> tuple[str, ...]:
    """Every address of `host`, all of them checked, in the order to try them.

    `allow` holds the instance's exact "host:port" entries that may be private or loopback. Raises
    NeedsPerson(ADDRESS_INVALID, ADDRESS_BLOCKED, HOST_NOT_FOUND) or RetryLater(HOST_NOT_FOUND, TIMED_OUT).
    """
    name, port = parse_host(host), parse_port(port)
    addresses = _addresses(name, port, resolver)
    if not addresses:
        raise NeedsPerson(HOST_NOT_FOUND, f"The name {name} has no address.")
    allowed = is_allowed(name, port, allow)
    for address in addresses:
        _require(address, netloc(name, port), allowed=allowed)
        _refuse_own(address, port, netloc(name, port))
    return tuple(dict.fromkeys(_plain_text(address) for address in addresses))


def resolve_checked(host: str, port: int, allow: tuple[str, ...], *, resolver: Resolver = system_resolver) -> str:
    """The address to connect to for `host`, as text; see `checked_addresses`."""
    return checked_addresses(host, port, allow, resolver=resolver)[0]


def check_url(url: str, allow: tuple[str, ...], *, resolver: Resolver = system_resolver) -> Endpoint:
    """Where `url` points to, once its syntax, port and every address of its host have been checked."""
    endpoint = check_url_syntax(url, allow)
    checked_addresses(endpoint.host, endpoint.port, allow, resolver=resolver)
    return endpoint


def check_url_syntax(url: str, allow: tuple[str, ...]) -> Endpoint:
    """Like `check_url` without asking DNS: for forms, and before a request whose connection is checked anyway."""
    endpoint = parse_url(url)
    if endpoint.port in NOT_HTTP_PORTS and not is_allowed(endpoint.host, endpoint.port, allow):
        raise NeedsPerson(
            ADDRESS_BLOCKED,
            f"Port {endpoint.port} belongs to a service that is not HTTP.",
            what_to_do="Use the port of the HTTP service, or let the instance admin add the exact host and port to "
            "SIGNALBOX_EGRESS_ALLOW.",
        )
    _refuse_closed_literal(endpoint.host)
    return endpoint


def check_host_syntax(host: str) -> str:
    """The canonical form of a host that DNS may be asked for; an address that can never be opened is refused."""
    name = parse_host(host)
    _refuse_closed_literal(name)
    return name


def is_allowed(host: str, port: int, allow: tuple[str, ...]) -> bool:
    """Whether the instance's list holds exactly this host and port."""
    return netloc(host, port) in {entry.strip().lower() for entry in allow}


def _addresses(name: str, port: int, resolver: Resolver) -> tuple[IPAddress, ...]:
    try:
        return (ip_address(name),)
    except ValueError:
        return tuple(ip_address(text) for text in resolver(name, port))


def _require(address: IPAddress, where: str, *, allowed: bool) -> None:
    verdict = judge(address)
    if verdict is Verdict.NEVER:
        raise _closed_for_good(where)
    if verdict is Verdict.BY_ALLOWANCE and not allowed:
        raise NeedsPerson(ADDRESS_BLOCKED, f"{where} leads to a private or loopback address.")


def _refuse_closed_literal(name: str) -> None:
    try:
        address = ip_address(name)
    except ValueError:
        return
    if judge(address) is Verdict.NEVER:
        raise _closed_for_good(name)


def _closed_for_good(where: str) -> NeedsPerson:
    return NeedsPerson(
        ADDRESS_BLOCKED,
        f"{where} leads to an address that can never be used from here.",
        what_to_do="Use another address: link-local, metadata, reserved and multicast addresses cannot be opened.",
    )


def _refuse_own(address: IPAddress, port: int, where: str) -> None:
    if OWN_SERVERS.hold(address, port):
        raise NeedsPerson(
            ADDRESS_BLOCKED,
            f"{where} is a server that holds the state of this instance.",
            what_to_do="Use a server of its own for data; SIGNALBOX_EGRESS_OWN names one that must serve for both.",
        )


def _plain_text(address: IPAddress) -> str:
    """The text to connect to; a mapped address is reached as the IPv4 address that was judged."""
    mapped = address.ipv4_mapped if address.version == 6 else None
    return str(mapped or address)
