"""The fault proxy does what it says: each harm is seen by a client of a plain server behind it."""

from __future__ import annotations

import socket
import socketserver
import threading
import time
from collections.abc import Iterator

import pytest

from tests.faults.proxy import Harm, Proxy, ask, proxied
from tests.servers import wait_until

HELLO = b"hello, signal box"


class Echo(socketserver.ThreadingTCPServer):
    """Sends back what it is sent, and remembers all that came."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), EchoHandler)
        self.came = b""
        self.lock = threading.Lock()

    @property
    def port(self) -> int:
        return int(self.server_address[1])


class EchoHandler(socketserver.BaseRequestHandler):
    """One client of it."""

    server: Echo

    def handle(self) -> None:
        try:
            while data := self.request.recv(65536):
                with self.server.lock:
                    self.server.came += data
                self.request.sendall(data)
        except ConnectionError:
            return


@pytest.fixture
def echo() -> Iterator[Echo]:
    with Echo() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def proxy(echo: Echo) -> Iterator[Proxy]:
    with proxied(echo.port) as made:
        yield made


@pytest.fixture
def client(proxy: Proxy) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", proxy.port), timeout=5) as link:
        yield link


def received(link: socket.socket) -> bytes:
    """Everything that comes until the end."""
    found = b""
    while data := link.recv(65536):
        found += data
    return found


def test_without_harm_everything_passes(client: socket.socket) -> None:
    for _ in range(3):
        client.sendall(HELLO)
        assert client.recv(100) == HELLO


def test_latency_delays_what_passes(proxy: Proxy, client: socket.socket) -> None:
    proxy.harm(latency_seconds=0.1)
    began = time.monotonic()
    client.sendall(HELLO)
    assert client.recv(100) == HELLO
    assert time.monotonic() - began >= 0.2


@pytest.mark.parametrize("upstream", [True, False], ids=["request", "answer"])
def test_a_reset_comes_after_so_many_bytes(proxy: Proxy, echo: Echo, client: socket.socket, upstream: bool) -> None:
    proxy.harm(reset_after_bytes=5, upstream=upstream)
    client.sendall(HELLO)
    with pytest.raises(ConnectionResetError):
        received(client)
    wait_until(lambda: echo.came == (HELLO[:5] if upstream else HELLO), "what was let through to arrive", 5)


def test_a_truncated_answer_ends_in_order(proxy: Proxy, echo: Echo, client: socket.socket) -> None:
    proxy.harm(truncate_after_bytes=5)
    client.sendall(HELLO)
    assert received(client) == HELLO[:5]
    assert echo.came == HELLO


def test_a_black_hole_lets_nothing_pass_until_it_is_taken_away(proxy: Proxy, echo: Echo, client: socket.socket) -> None:
    proxy.harm(black_hole=True)
    client.sendall(HELLO)
    client.settimeout(0.2)
    with pytest.raises(TimeoutError):
        client.recv(100)
    assert echo.came == b""
    proxy.harm()
    client.settimeout(5)
    assert client.recv(100) == HELLO


def test_a_duplicate_reaches_the_server_twice_and_is_answered_once(proxy: Proxy, echo: Echo) -> None:
    proxy.harm(duplicate=True)
    with socket.create_connection(("127.0.0.1", proxy.port), timeout=5) as link:
        link.sendall(HELLO)
        assert link.recv(100) == HELLO
        wait_until(lambda: len(echo.came) == 2 * len(HELLO), "both copies to arrive", 5)
        link.settimeout(0.1)
        with pytest.raises(TimeoutError):
            link.recv(100)


def test_a_connection_can_be_accepted_and_closed(proxy: Proxy, echo: Echo) -> None:
    proxy.harm(accept_then_close=True)
    with socket.create_connection(("127.0.0.1", proxy.port), timeout=5) as link:
        assert link.recv(100) == b""
    assert echo.came == b""


def test_a_cut_resets_what_is_open_and_lets_new_connections_pass(proxy: Proxy, client: socket.socket) -> None:
    client.sendall(HELLO)
    assert client.recv(100) == HELLO
    proxy.cut()
    with pytest.raises(ConnectionResetError):
        client.recv(100)
    assert proxy.cuts == 1
    with socket.create_connection(("127.0.0.1", proxy.port), timeout=5) as link:
        link.sendall(HELLO)
        assert link.recv(100) == HELLO


def test_another_process_commands_it_through_the_control_port(proxy: Proxy, client: socket.socket) -> None:
    client.sendall(HELLO)
    assert client.recv(100) == HELLO
    ask(proxy.control_port, None)
    assert proxy.cuts == 1
    ask(proxy.control_port, Harm(accept_then_close=True))
    with socket.create_connection(("127.0.0.1", proxy.port), timeout=5) as link:
        assert link.recv(100) == b""
