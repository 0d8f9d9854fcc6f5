"""Listeners at every address of the proof's network, which count each connection that they accept."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections import Counter
from ipaddress import ip_address

from tests.egress.proof.forms import PUBLIC

HTTP, POSTGRES = 8080, 5433
PORTS = (80, 443, HTTP, POSTGRES)
RECORDS = b'[{"id": 1}]'


class Listeners:
    """`inside` counts (address, port) of what was accepted where nobody may go; `outside` counts the public ones.

    The public server answers HTTP: at /redirect/<status> with that status to `target`, at /next with a further page
    there, at /refresh with a page that sends a browser there, else with one record.
    """

    def __init__(self) -> None:
        self.inside: Counter[tuple[str, int]] = Counter()
        self.outside = 0
        self.target = ""
        self._lock = threading.Lock()
        for port in PORTS:
            listener = socket.create_server(("::", port), family=socket.AF_INET6, dualstack_ipv6=True, backlog=128)
            threading.Thread(target=self._accept, args=(listener, port), daemon=True).start()

    def _accept(self, listener: socket.socket, port: int) -> None:
        while True:
            connection, _ = listener.accept()
            with connection, contextlib.suppress(OSError):
                connection.settimeout(2)
                self._count(connection, port)
                if port != POSTGRES:
                    connection.sendall(self._answer(connection.recv(65536)))

    def _count(self, connection: socket.socket, port: int) -> None:
        address = ip_address(connection.getsockname()[0].partition("%")[0])
        plain = str(getattr(address, "ipv4_mapped", None) or address)
        with self._lock:
            if plain in PUBLIC:
                self.outside += 1
            else:
                self.inside[plain, port] += 1

    def _answer(self, request: bytes) -> bytes:
        path = request.split(b" ", 2)[1].decode() if request.count(b" ") > 1 else "/"
        headers, status, body = ["content-type: application/json"], "200 OK", RECORDS
        if path.startswith("/redirect/"):
            status, body = f"{path.split('/')[2][:3]} Elsewhere", b""
            headers.append(f"location: {self.target}")
        elif path.startswith("/next"):
            headers.append(f'link: <{self.target}>; rel="next"')
        elif path.startswith("/refresh"):
            headers, body = ["content-type: text/html"], f'<meta http-equiv=refresh content="0;{self.target}">'.encode()
        lines = [f"HTTP/1.1 {status}", *headers, f"content-length: {len(body)}", "connection: close", "", ""]
        return "\r\n".join(lines).encode("latin-1", "replace") + body
