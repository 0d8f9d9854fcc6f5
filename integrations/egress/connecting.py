"""Opens sockets to checked addresses only, and looks who is at the other end; every protocol of ours starts here.

A protocol whose driver opens its own socket (libpq) takes the checked address from `resolve_checked` instead.
"""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable
from ipaddress import ip_address
from pathlib import Path

from integrations.egress.guard import checked_addresses
from integrations.egress.resolver import Resolver, system_resolver
from integrations.errors import ADDRESS_BLOCKED, TIMED_OUT, UNREACHABLE, NeedsPerson, RetryLater


def open_checked_socket(
    host: str, port: int, allow: tuple[str, ...], *, timeout_seconds: float, resolver: Resolver = system_resolver
) -> socket.socket:
    """A connected socket for a protocol of the caller's (SFTP, SMTP, a token endpoint), whose address was checked.

    Raises what `checked_addresses` raises, else RetryLater(TIMED_OUT, UNREACHABLE). TLS is the caller's: by the name.
    """
    addresses = checked_addresses(host, port, allow, resolver=resolver)
    try:
        return connect_checked(addresses, port, lambda: timeout_seconds)
    except TimeoutError:
        late = f"{host}:{port}: no connection in time."
        raise RetryLater(TIMED_OUT, late, may_have_arrived=False, rule="timeout.connect_seconds") from None
    except OSError:
        message = f"{host}:{port}: the connection was refused or failed."
        raise RetryLater(UNREACHABLE, message, may_have_arrived=False) from None


def connect_checked(addresses: tuple[str, ...], port: int, timeout: Callable[[], float]) -> socket.socket:
    """A socket to the first of the addresses that answers; `timeout` says how long each may take.

    Raises OSError where none does, and NeedsPerson(ADDRESS_BLOCKED) where the other end is another one.
    """
    error = OSError("no address")
    for address in addresses:
        try:
            return _at(socket.create_connection((address, port), timeout()), address, port)
        except OSError as failed:
            error = failed
    raise error


def require_connected(address: str, port: int) -> None:
    """Refuse a connection that a driver has opened by itself, unless this process has one to exactly that address.

    Raises NeedsPerson(ADDRESS_BLOCKED). Drivers keep their sockets to themselves; the system lists them all.
    """
    for entry in Path("/dev/fd").iterdir():
        with contextlib.suppress(OSError):  # no socket, or closed meanwhile by another thread
            sock = socket.socket(fileno=int(entry.name))
            try:
                if _is_peer(sock.getpeername(), address, port):
                    return
            finally:
                sock.detach()
    raise _ended_elsewhere()


def _at(sock: socket.socket, address: str, port: int) -> socket.socket:
    """The socket again, once it is seen to end where it should; closed where it does not."""
    try:
        peer = sock.getpeername()
    except OSError:
        sock.close()
        raise
    if _is_peer(peer, address, port):
        return sock
    sock.close()
    raise _ended_elsewhere()


def _is_peer(peer: object, address: str, port: int) -> bool:
    """Whether a socket's other end is this; other families than the Internet's have no text and port."""
    if not isinstance(peer, tuple) or not isinstance(peer[0], str):
        return False
    return (ip_address(peer[0].partition("%")[0]), peer[1]) == (ip_address(address), port)


def _ended_elsewhere() -> NeedsPerson:
    return NeedsPerson(
        ADDRESS_BLOCKED,
        "The connection did not end at the address that was checked.",
        what_to_do="Ask who runs the worker's machine which proxy or rule leads its connections elsewhere.",
    )
