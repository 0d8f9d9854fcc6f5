"""What a connector asks before it calls its system, and tells afterwards; behind it lie limits that others share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeVar

from accounts.errors import SignalboxError
from integrations.errors import NotYet

Leave = Callable[[], None]
S = TypeVar("S")


class Gate(Protocol):
    """Asked by each session and before each call, from any thread.

    `enter` takes a place for a session, or for a client that sends one call after the other; what it returns gives the
    place back, and may be called twice. `admit` lets a call go out, after a wait of a few seconds where that is enough;
    `cost` is what it takes of the budget of requests. `report` tells how the call ended: None for an answer, else the
    error. `refusal` is why the next call would not go out, as far as is known without asking.

    `enter` and `admit` raise NotYet where the wait would be long; `enter` NeedsPerson where it would never end.
    """

    def enter(self) -> Leave: ...

    def admit(self, *, cost: int = 1) -> None: ...

    def report(self, error: SignalboxError | None) -> None: ...

    def refusal(self) -> NotYet | None: ...


class OpenGate:
    """Lets everything through, and forgets it."""

    def enter(self) -> Leave:
        return _nothing

    def admit(self, *, cost: int = 1) -> None:
        """No limit."""

    def report(self, error: SignalboxError | None) -> None:
        """Nobody asks."""

    def refusal(self) -> NotYet | None:
        return None


def _nothing() -> None:
    """There is no place to give back."""


OPEN_GATE: Gate = OpenGate()


def gated(gate: Gate, open_session: Callable[[Leave], S]) -> S:
    """Open a session through the gate: its place is kept until it is closed, and how the opening went is told."""
    leave = gate.enter()
    try:
        gate.admit(cost=0)
        session = open_session(leave)
    except BaseException as error:
        leave()
        if isinstance(error, SignalboxError) and not isinstance(error, NotYet):
            gate.report(error)
        raise
    gate.report(None)
    return session
