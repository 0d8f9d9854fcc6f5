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


@dataclass(frozen=True)
class _Mine:
    """A token of this call: after how long it may be used, and until when (monotonic)."""

    wait_seconds: float
    until: float


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
        rate, waited = self._rules.rate, 0.0
        while rate is not None:
            with self._lock:
                if self._ahead.left and time.monotonic() < self._ahead.until:
                    self._ahead.left -= 1
                    return waited
                mine = self._take(rate)
            self._desk.sleep(mine.wait_seconds)
            waited += mine.wait_seconds
            if time.monotonic() < mine.until:
                return waited
        return waited

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

    def _take(self, rate: Rate) -> _Mine:
        """One token for this call, and others for later ones where there are more."""
        ahead, place = self._ahead, self._desk.place
        wanted = next_wanted(rate, wanted=ahead.wanted, used=ahead.taken - ahead.left, taken=ahead.taken)
        # Tokens grow old from before the question on, whenever its answer comes.
        asked_at = time.monotonic()
        taken = self._desk.do(lambda: budgets.take(place, rate, wanted=wanted, patience_seconds=PATIENCE_SECONDS))
        if isinstance(taken, Held):
            raise self._refuse_held(taken)
        if isinstance(taken, Refused):
            name = self._desk.caller.connector
            message = f"The {rate.per_minute:,} requests a minute of {name} are used up."
            raise self._desk.refuse(BUDGET_SPENT, message, taken.wait_seconds, RATE)
        until = asked_at + taken.wait_seconds + rate.hold_seconds
        self._ahead = _Ahead(taken.tokens - 1, taken.tokens - 1, until, wanted)
        if taken.wait_seconds:
            self._desk.note(RATE, f"made a call wait {taken.wait_seconds:.1f} s")
        return _Mine(taken.wait_seconds, until)

    def _refuse_held(self, held: Held) -> NotYet:
        return self._desk.refuse(RATE_LIMITED, held.reason, held.seconds, "retry.longest_retry_after_seconds")
