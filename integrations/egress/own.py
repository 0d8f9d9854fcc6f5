"""The servers that hold this instance's own state: no connector reaches them, whatever the allow list says.

They are told once, when the process starts. Only a target with the port of one of them costs a second look.
"""

from __future__ import annotations

import socket
from collections.abc import Iterable
from ipaddress import ip_address

from integrations.egress.resolver import system_resolver
from integrations.egress.table import IPAddress

Server = tuple[str, int]


class OwnServers:
    """Host and port of each; `close` replaces them."""

    def __init__(self) -> None:
        self._servers: frozenset[Server] = frozenset()

    def close(self, servers: Iterable[Server]) -> None:
        """From now on nobody connects to these."""
        self._servers = frozenset((host.strip("[]").lower(), port) for host, port in servers if host and port)

    def hold(self, address: IPAddress, port: int) -> bool:
        """Whether one of them listens there. Raises what the resolver raises: one that is not found is not passed."""
        return any(_is_same(address, host, port) for host, own_port in self._servers if own_port == port)


OWN_SERVERS = OwnServers()


def _is_same(address: IPAddress, host: str, port: int) -> bool:
    own = {_plain(ip_address(text)) for text in _addresses(host, port)}
    if _plain(address) in own:
        return True
    # A server on this machine may listen at each of its addresses.
    return _is_of_this_machine(address) and any(map(_is_of_this_machine, own))


def _addresses(host: str, port: int) -> tuple[str, ...]:
    try:
        return (str(ip_address(host)),)
    except ValueError:
        return system_resolver(host, port)


def _is_of_this_machine(address: IPAddress) -> bool:
    """Only an address of this machine can be bound; nothing is sent."""
    address = _plain(address)
    if address.is_loopback or address.is_unspecified:
        return True
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.bind((str(address), 0))
    except OSError:
        return False
    return True


def _plain(address: IPAddress) -> IPAddress:
    return (address.ipv4_mapped or address) if address.version == 6 else address
