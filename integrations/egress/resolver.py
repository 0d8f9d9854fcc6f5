"""Asks the system for the addresses of a name, and waits for the answer only so long."""

from __future__ import annotations

import queue
import socket
import threading
from collections.abc import Callable

from integrations.errors import HOST_NOT_FOUND, TIMED_OUT, NeedsPerson, RetryLater

Resolver = Callable[[str, int], tuple[str, ...]]

RESOLVE_SECONDS = 5.0


def system_resolver(host: str, port: int) -> tuple[str, ...]:
    """Every A and AAAA address of `host` in the order that the system prefers; bounded by `RESOLVE_SECONDS`.

    getaddrinfo knows no deadline, so a thread of its own asks; one that never ends is left behind, as a daemon.
    """
    answers: queue.SimpleQueue[tuple[str, ...] | OSError] = queue.SimpleQueue()

    def ask() -> None:
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            answers.put(tuple(dict.fromkeys(str(entry[4][0]) for entry in found)))
        except OSError as error:
            answers.put(error)

    threading.Thread(target=ask, name="egress-resolve", daemon=True).start()
    try:
        answer = answers.get(timeout=RESOLVE_SECONDS)
    except queue.Empty:
        raise RetryLater(TIMED_OUT, f"The name {host} was not resolved within {RESOLVE_SECONDS:g} s.") from None
    if isinstance(answer, OSError):
        raise _not_found(host, answer) from None
    return answer


def _not_found(host: str, error: OSError) -> NeedsPerson | RetryLater:
    if error.errno == socket.EAI_AGAIN:
        return RetryLater(HOST_NOT_FOUND, f"The name {host} could not be resolved just now.")
    return NeedsPerson(HOST_NOT_FOUND, f"The name {host} cannot be resolved.")
