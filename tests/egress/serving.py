"""A server on loopback that gives the hostile answers by name, each for as long as somebody reads."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator

from tests.egress.answers import ANSWERS, Hostile, document

HONEST = Hostile(document(b'[{"a": 1}]'), frozenset({""}))
PAUSE_SECONDS = 0.05


@contextlib.contextmanager
def hostile_answers() -> Iterator[str]:
    """The server's address, until the block ends."""
    ended = threading.Event()
    listener = socket.create_server(("127.0.0.1", 0))

    def accept() -> None:
        while not ended.is_set():
            with contextlib.suppress(OSError):
                connection, _ = listener.accept()
                threading.Thread(target=_speak, args=(connection, ended), daemon=True).start()

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        ended.set()
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(5)


def _speak(connection: socket.socket, ended: threading.Event) -> None:
    with contextlib.suppress(OSError), connection:
        connection.settimeout(30)
        name = connection.recv(65536).split(b" ")[1].decode().lstrip("/").partition("?")[0]
        answer = {**ANSWERS, "honest": HONEST}[_decoded(name)]
        for piece in answer.pieces():
            if ended.wait(PAUSE_SECONDS if answer.is_slow else 0):
                return
            connection.sendall(piece)


def _decoded(name: str) -> str:
    """Names hold spaces and commas, which a path does not."""
    return next((known for known in ANSWERS if path_of(known) == name), name)


def path_of(name: str) -> str:
    """A name as it stands in a path."""
    return "".join(letter if letter.isalnum() or letter == "-" else "_" for letter in name)
