"""The part of a gate that keeps the circuit breaker: asks often while a host fails, and seldom while it is well."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from accounts.errors import SignalboxError
from integrations.domain.circuit_breaker import BreakerRule, BreakerState, Calls, Pass, Wait, totals
from integrations.errors import BREAKER_OPEN, NotYet
from integrations.services import breakers
from integrations.services.breakers import Ended
from integrations.services.gate_desk import Desk
from integrations.services.gate_look import Look, look

# While all is well, the breaker is looked at so often; a hand that opens it is seen after so long at the latest.
LOOK_AGAIN_SECONDS = 2.0


class Watch:
    """Lets a call through a closed breaker, and one probe through an open one when its time has come."""

    def __init__(
        self, desk: Desk, rule: BreakerRule, probe_seconds: float, *, tell_look: Callable[[Look], None]
    ) -> None:
        self._desk, self._rule, self._probe_seconds, self._tell_look = desk, rule, probe_seconds, tell_look
        self._lock = threading.RLock()
        self._is_on = bool(desk.place.host) and rule.is_on
        self._probing: int | None = None
        self._went_well: list[tuple[float, int]] = []

    def note_look(self, seen: Look) -> None:
        """Take over how things stand."""
        _, failures = totals(seen.breaker, self._rule, seen.now)
        self._seen = seen
        self._has_failures = self._is_on and failures > 0
        self._look_at = time.monotonic() + LOOK_AGAIN_SECONDS
        self._tell_look(seen)

    @property
    def is_well(self) -> bool:
        """Whether nothing needs to be asked: closed, without failures, and seen so lately, where it is watched."""
        is_closed = self._seen.breaker.state is BreakerState.CLOSED and not self._has_failures
        return is_closed and (not self._is_on or time.monotonic() < self._look_at)

    def pass_(self, *, may_probe: bool) -> None:
        """Let the call through, or raise NotYet. With `may_probe` it goes out at once, as the probe if it must."""
        with self._lock:
            if self.is_well:
                return
            self._look()
            if self._seen.breaker.state is BreakerState.CLOSED:
                self._tell_went_well()
                return
            answer = self._desk.do(self._ask) if may_probe else self._would_wait()
            if isinstance(answer, Wait):
                raise self._refuse(answer.seconds)
            self._probing = threading.get_ident() if answer and answer.is_probe else None

    def note_end(self, failure: SignalboxError | None) -> NotYet | None:
        """Count a call that ended; return why the next one would not go out, where it would not."""
        if not self._is_on:
            return None
        with self._lock:
            was_probe = self._probing == threading.get_ident()
            if failure is None and not was_probe:
                self._remember_well()
                return None
            self._probing = None if was_probe else self._probing
            ended = Ended((*self._take_well(), Calls(1, int(failure is not None))), failure, was_probe)
            after = self._desk.do(lambda: breakers.count(self._desk.place, self._rule, ended))
            if after.state is BreakerState.CLOSED:
                self._has_failures = True  # until a look says otherwise
                return None
            self._look()
            wait = self._would_wait()
            return self._refuse(wait.seconds) if wait else None

    def _look(self) -> None:
        self.note_look(self._desk.do(lambda: look(self._desk.place)))

    def _ask(self) -> Pass | Wait:
        run_id = self._desk.caller.holder.run_id
        return breakers.ask(self._desk.place, self._rule, probe_seconds=self._probe_seconds, run_id=run_id)

    def _would_wait(self) -> Wait | None:
        """The wait before the next probe, as far as a look tells; nothing where the time has come."""
        breaker = self._seen.breaker
        if breaker.state is BreakerState.CLOSED:
            return None
        if breaker.probe_at is None:
            return Wait(max(self._rule.open_seconds, 1.0))
        left = breaker.probe_at - self._seen.now
        return Wait(left) if left > 0 and self._rule.is_on else None

    def _refuse(self, seconds: float) -> NotYet:
        since = time.strftime("%H:%M:%S", time.gmtime(self._seen.breaker.since))
        message = f"The circuit breaker of {self._desk.place.host} is open since {since} UTC. "
        reason = self._seen.breaker_reason
        return self._desk.refuse(BREAKER_OPEN, (message + reason).strip(), seconds, "breaker.failure_percent")

    def _remember_well(self) -> None:
        """Keep a call that went well; it is told when a failure makes it matter."""
        second = float(int(time.monotonic()))
        if self._went_well and self._went_well[-1][0] == second:
            self._went_well[-1] = (second, self._went_well[-1][1] + 1)
        else:
            oldest = second - self._rule.window_seconds
            self._went_well = [*(each for each in self._went_well if each[0] > oldest), (second, 1)]

    def _take_well(self) -> tuple[Calls, ...]:
        now, well = time.monotonic(), self._went_well
        self._went_well = []
        return tuple(Calls(calls, ago_seconds=now - second) for second, calls in well)

    def _tell_went_well(self) -> None:
        """While failures are known, calls that went well weigh against them: tell those of this gate each second."""
        if self._has_failures and self._went_well and self._went_well[0][0] < time.monotonic() - 1:
            ended = Ended(self._take_well())
            self._desk.do(lambda: breakers.count(self._desk.place, self._rule, ended))
