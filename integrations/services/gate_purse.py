"""The part of a gate that keeps the budget of requests: tokens taken ahead, and pauses that were asked for."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass

from integrations.domain.rate_limit import Rate, Refused, next_wanted
from integrations.errors import BUDGET_SPENT, RATE_LIMITED, NotYet, RetryLater
from integrations.services import budgets
from integrations.services.budgets import Held
from integrations.services.gate_desk import PATIENCE_SECONDS, Desk
from integrations.services.gate_look import Look
from integrations.services.shared_limits import RATE


@dataclass(frozen=True)
class PurseRules:
    """The shared rate (None: no bound), and how long a pause is where none was named, and at the longest."""

    rate: Rate | None
    first_hold_seconds: float
    longest_hold_seconds: float


@dataclass
class _Ahead:
    """Tokens that were taken and not used yet, and until when they may be (monotonic)."""

    left: int = 0
    taken: int = 0
    until: float = 0.0
    wanted: int = 1


class Purse:
    """Lets a call through when its token is there and no pause holds."""

    def __init__(self, desk: Desk, rules: PurseRules) -> None:
        self._desk, self._rules = desk, rules
        self._lock = threading.Lock()
        self._ahead = _Ahead()
        self._held_until, self._hold_reason = 0.0, ""

    def note_look(self, seen: Look) -> None:
        """Take over the pause that others met."""
        self._held_until = time.monotonic() + seen.held_seconds if seen.held_seconds else 0.0
        self._hold_reason = seen.hold_reason

    def pass_hold(self) -> float:
        """Wait for the end of a pause, or raise NotYet; return how long it took."""
        left = self._held_until - time.monotonic()
        if left <= 0:
            return 0.0
        if left > PATIENCE_SECONDS:
            raise self._refuse_held(Held(left, self._hold_reason))
        self._desk.sleep(left)
        return left

    def spend(self) -> float:
        """Use a token that was taken ahead, or take some, or raise NotYet; return how long the call waited for it."""
        rate = self._rules.rate
        if rate is None:
            return 0.0
        with self._lock:
            ahead = self._ahead
            if ahead.left and time.monotonic() < ahead.until:
                ahead.left -= 1
                return 0.0
            wait = self._take(rate, ahead)
        self._desk.sleep(wait)
        return wait

    def hold(self, error: RetryLater) -> NotYet | None:
        """Make all that share the budget wait; return why the next call would not go out, where that takes long."""
        rules = self._rules
        seconds = self._desk.do(
            lambda: budgets.hold(
                self._desk.place,
                asked_seconds=error.retry_after_seconds,
                first_seconds=rules.first_hold_seconds,
                longest_seconds=rules.longest_hold_seconds,
                reason=error.message,
            )
        )
        self._held_until, self._hold_reason = time.monotonic() + seconds, error.message
        return self._refuse_held(Held(seconds, error.message)) if seconds > PATIENCE_SECONDS else None

    def _take(self, rate: Rate, ahead: _Ahead) -> float:
        wanted = next_wanted(rate, wanted=ahead.wanted, used=ahead.taken - ahead.left, taken=ahead.taken)
        # Tokens grow old from before the question on, whenever its answer comes.
        asked_at = time.monotonic()
        place = self._desk.place
        taken = self._desk.do(lambda: budgets.take(place, rate, wanted=wanted, patience_seconds=PATIENCE_SECONDS))
        if isinstance(taken, Held):
            raise self._refuse_held(taken)
        if isinstance(taken, Refused):
            name = self._desk.caller.connector
            message = f"The {rate.per_minute:,} requests a minute of {name} are used up."
            raise self._desk.refuse(BUDGET_SPENT, message, taken.wait_seconds, RATE)
        self._ahead = _Ahead(taken.tokens - 1, taken.tokens, asked_at + rate.hold_seconds, wanted)
        if taken.wait_seconds:
            self._desk.note(RATE, f"made a call wait {taken.wait_seconds:.1f} s")
        return taken.wait_seconds

    def _refuse_held(self, held: Held) -> NotYet:
        return self._desk.refuse(RATE_LIMITED, held.reason, held.seconds, "retry.longest_retry_after_seconds")
