"""Sockets for any protocol: to the checked address, seen to end there, or a declared error."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest
from adbc_driver_postgresql import dbapi

from integrations.connectors.base import Context
from integrations.connectors.postgres import PostgresConnector
from integrations.egress import open_checked_socket, require_connected
from integrations.errors import ADDRESS_BLOCKED, TIMED_OUT, UNREACHABLE, NeedsPerson, RetryLater
from tests.servers import Server


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.2)
        yield server


def port_of(listener: socket.socket) -> int:
    port: int = listener.getsockname()[1]
    return port


def opened(port: int, *addresses: str, host: str = "mail.example") -> socket.socket:
    """A socket to `host`, which has these addresses and is on the list."""
    return open_checked_socket(
        host, port, (f"{host}:{port}",), timeout_seconds=1, resolver=lambda _host, _port: addresses
    )


@pytest.mark.security("SEC-080", "SEC-081")
def test_a_listed_host_is_connected_to_and_the_next_address_tried(listener: socket.socket) -> None:
    with opened(port_of(listener), "127.0.0.7", "127.0.0.1") as sock:
        assert sock.getpeername() == listener.getsockname()


@pytest.mark.security("SEC-081", "SEC-082")
@pytest.mark.parametrize("address", ["127.0.0.1", "::ffff:127.0.0.1", "169.254.169.254", "64:ff9b::7f00:1"])
def test_nothing_is_accepted_at_an_address_that_is_not_open(listener: socket.socket, address: str) -> None:
    with pytest.raises(NeedsPerson) as caught:
        open_checked_socket(
            "a.example", port_of(listener), (), timeout_seconds=1, resolver=lambda _host, _port: ("8.8.8.8", address)
        )
    assert caught.value.code == ADDRESS_BLOCKED
    with pytest.raises(TimeoutError):
        listener.accept()


@pytest.mark.security("SEC-080")
def test_a_connection_that_ends_elsewhere_is_closed(listener: socket.socket, monkeypatch: pytest.MonkeyPatch) -> None:
    connect, made = socket.create_connection, []
    elsewhere = listener.getsockname()

    def divert(_to: object, timeout: float) -> socket.socket:
        made.append(connect(elsewhere, timeout))
        return made[0]

    monkeypatch.setattr(socket, "create_connection", divert)
    with pytest.raises(NeedsPerson) as caught:
        opened(port_of(listener), "127.0.0.9")
    assert (caught.value.code, made[0].fileno()) == (ADDRESS_BLOCKED, -1)


def test_a_closed_port_is_unreachable() -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = port_of(probe)
    with pytest.raises(RetryLater) as caught:
        opened(port, "127.0.0.1")
    assert (caught.value.code, caught.value.may_have_arrived) == (UNREACHABLE, False)


def test_a_host_that_does_not_answer_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    def wait(_to: object, _timeout: float) -> socket.socket:
        raise TimeoutError("timed out")

    monkeypatch.setattr(socket, "create_connection", wait)
    with pytest.raises(RetryLater) as caught:
        opened(9, "127.0.0.1")
    assert (caught.value.code, caught.value.may_have_arrived) == (TIMED_OUT, False)
    assert caught.value.detail["rule"] == "timeout.connect_seconds"


@pytest.mark.security("SEC-080")
def test_a_driver_must_have_connected_to_the_checked_address(listener: socket.socket) -> None:
    port = port_of(listener)
    netlink = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW)
    left, right = socket.socketpair()
    with socket.create_connection(("127.0.0.1", port)), left, right, netlink:
        require_connected("127.0.0.1", port)
        for address, other in (("127.0.0.2", port), ("127.0.0.1", port - 1), ("::1", port)):
            with pytest.raises(NeedsPerson) as caught:
                require_connected(address, other)
            assert caught.value.code == ADDRESS_BLOCKED


@pytest.mark.security("SEC-080")
def test_libpq_is_seen_to_have_connected_elsewhere(postgres_server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a driver would do that ignores the address that it was given."""
    connect = dbapi.connect
    monkeypatch.setattr(
        dbapi, "connect", lambda text, **given: connect(text.replace("127.0.0.7", "127.0.0.1"), **given)
    )
    settings = {"host": "127.0.0.7", "port": postgres_server.port, "database": "postgres"}
    allow = (f"127.0.0.7:{postgres_server.port}",)
    verdict = PostgresConnector(Context(settings, {"username": "signalbox"}, "basic", egress_allow=allow)).check()
    assert (verdict.ok, verdict.code) == (False, ADDRESS_BLOCKED)
