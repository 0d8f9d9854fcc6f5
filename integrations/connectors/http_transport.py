"""The wire below the HTTP client: connections go only to checked addresses, and end by a deadline.

httpx2 keeps the name for Host, SNI and the certificate; the socket is opened to an address that the egress guard has
judged, so nothing resolves the name a second time.
"""

from __future__ import annotations

import contextlib
import select
import socket
import ssl
import threading
import time
from collections.abc import Iterable, Iterator
from typing import Any

import httpcore2
import httpx2

from integrations.egress import Resolver, checked_addresses, connect_checked
from integrations.errors import TLS_FAILED, NeedsPerson

SocketOptions = Iterable[tuple[int, int, int] | tuple[int, int, bytes | bytearray] | tuple[int, int, None, int]]


class Deadline:
    """The moment by which the request in flight must be over; one request at a time uses it."""

    def __init__(self) -> None:
        self._at = float("inf")

    def start(self, seconds: float) -> None:
        self._at = time.monotonic() + seconds

    def bound(self, timeout: float | None) -> float:
        """`timeout`, or what is left where that is less; raises once nothing is left."""
        left = self._at - time.monotonic()
        if left <= 0:
            raise httpcore2.ReadTimeout("the deadline of the request has passed")
        return left if timeout is None else min(timeout, left)


class BoundedStream(httpcore2.NetworkStream):
    """A connected socket whose every operation keeps the deadline, so that a trickle of bytes cannot outlast it."""

    def __init__(self, sock: socket.socket, deadline: Deadline) -> None:
        self._sock = sock
        self._deadline = deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        try:
            self._sock.settimeout(self._deadline.bound(timeout))
            return self._sock.recv(max_bytes)
        except TimeoutError as error:
            raise httpcore2.ReadTimeout(str(error)) from error
        except OSError as error:
            raise httpcore2.ReadError(str(error)) from error

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        try:
            self._sock.settimeout(self._deadline.bound(timeout))
            self._sock.sendall(buffer)
        except TimeoutError as error:
            raise httpcore2.WriteTimeout(str(error)) from error
        except OSError as error:
            raise httpcore2.WriteError(str(error)) from error

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> BoundedStream:
        try:
            self._sock.settimeout(self._deadline.bound(timeout))
            self._sock = ssl_context.wrap_socket(self._sock, server_hostname=server_hostname)
        except OSError as error:
            self.close()
            raise _handshake_error(server_hostname, error) from error
        return self

    def close(self) -> None:
        self._sock.close()

    def get_extra_info(self, info: str) -> Any:
        # The pool asks this of an idle connection: readable means that the other side has closed it.
        return _is_readable(self._sock) if info == "is_readable" else None

    @property
    def is_closed(self) -> bool:
        return self._sock.fileno() < 0

    def abort(self) -> None:
        """End an operation that another thread is waiting in."""
        with contextlib.suppress(OSError):  # closed already, which is all that is wanted
            self._sock.shutdown(socket.SHUT_RDWR)


class CheckedBackend(httpcore2.NetworkBackend):
    """Opens TCP connections to addresses that the egress guard has checked, and remembers them for `abort`."""

    def __init__(self, allow: tuple[str, ...], resolver: Resolver, deadline: Deadline) -> None:
        self._allow = allow
        self._resolver = resolver
        self._deadline = deadline
        self._streams: list[BoundedStream] = []
        self._lock = threading.Lock()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,  # noqa: ARG002 - the signature is httpcore2's
        socket_options: SocketOptions | None = None,  # noqa: ARG002 - as above
    ) -> BoundedStream:
        addresses = checked_addresses(host, port, self._allow, resolver=self._resolver)
        try:
            sock = connect_checked(addresses, port, lambda: self._deadline.bound(timeout))
        except TimeoutError as error:
            raise httpcore2.ConnectTimeout(str(error)) from error
        except OSError as error:
            raise httpcore2.ConnectError(str(error)) from error
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return self._remember(BoundedStream(sock, self._deadline))

    def abort(self) -> None:
        """End what is in flight: a read in another thread returns at once."""
        with self._lock:
            for stream in self._streams:
                stream.abort()
            self._streams.clear()

    def _remember(self, stream: BoundedStream) -> BoundedStream:
        with self._lock:
            self._streams = [known for known in self._streams if not known.is_closed]
            self._streams.append(stream)
        return stream


class CheckedTransport(httpx2.BaseTransport):
    """httpx2's way to the wire, over a pool with the checked backend; no proxy, no environment, HTTP/1.1."""

    def __init__(self, allow: tuple[str, ...], resolver: Resolver, tls: ssl.SSLContext) -> None:
        self.deadline = Deadline()
        self._backend = CheckedBackend(allow, resolver, self.deadline)
        self._pool = httpcore2.ConnectionPool(
            ssl_context=tls, max_connections=2, keepalive_expiry=30.0, network_backend=self._backend
        )

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        url = request.url
        answer = self._pool.handle_request(
            httpcore2.Request(
                method=request.method,
                url=httpcore2.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path),
                headers=request.headers.raw,
                content=request.stream,
                extensions=request.extensions,
            )
        )
        return httpx2.Response(
            answer.status, headers=answer.headers, stream=_Body(answer), extensions=answer.extensions
        )

    def abort(self) -> None:
        self._backend.abort()

    def close(self) -> None:
        self._pool.close()


class _Body(httpx2.SyncByteStream):
    """The bytes of an answer as they arrive."""

    def __init__(self, answer: httpcore2.Response) -> None:
        self._answer = answer

    def __iter__(self) -> Iterator[bytes]:
        return self._answer.iter_stream()

    def close(self) -> None:
        self._answer.close()


def _is_readable(sock: socket.socket) -> bool:
    if sock.fileno() < 0:
        return True
    poll = select.poll()
    poll.register(sock, select.POLLIN)
    return bool(poll.poll(0))


def _handshake_error(host: str | None, error: OSError) -> Exception:
    """A broken line may heal; a certificate or a protocol that does not fit needs a person."""
    if isinstance(error, TimeoutError):
        return httpcore2.ConnectTimeout(str(error))
    if isinstance(error, ssl.SSLError) and not isinstance(error, ssl.SSLEOFError | ssl.SSLZeroReturnError):
        reason = getattr(error, "verify_message", "") or error.reason or "the handshake failed"
        return NeedsPerson(TLS_FAILED, f"No trusted connection to {host}: {reason}.")
    return httpcore2.ConnectError(str(error))
