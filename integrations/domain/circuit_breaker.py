"""When to stop calling a system that fails: closed, open, half-open, as pure decisions from plain values.

closed     calls go out and are counted; it opens when the share of failures among enough calls of a window is too large
open       no call goes out until `probe_at`
half_open  one call, the probe, is out; it closes the breaker or opens it anew

No two probes begin within `open_seconds`, whatever becomes of the first. A breaker that was opened by hand has no
`probe_at`: only a hand closes it. The counts lie in parts of the window, so that old calls leave it bit by bit.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from math import floor

PARTS = 10


class BreakerState(StrEnum):
    """What a breaker does with calls."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


@dataclass(frozen=True)
class BreakerRule:
    """It opens when at least `failure_percent` of at least `minimum_calls` calls within the window failed; 0: never."""

    failure_percent: float
    minimum_calls: int
    window_seconds: float
    open_seconds: float

    @property
    def is_on(self) -> bool:
        return self.failure_percent > 0

    @property
    def part_seconds(self) -> float:
        return self.window_seconds / PARTS


@dataclass(frozen=True)
class Part:
    """The calls of a part of the window, which began at `at`."""

    at: float
    calls: int
    failures: int


@dataclass(frozen=True)
class Breaker:
    """The state, since when it holds, the counted calls, and when the next probe may go out (None: never by itself)."""

    state: BreakerState = BreakerState.CLOSED
    since: float = 0.0
    parts: tuple[Part, ...] = ()
    probe_at: float | None = None
    open_seconds: float = 0.0

    @property
    def is_by_hand(self) -> bool:
        return self.state is BreakerState.OPEN and self.probe_at is None


@dataclass(frozen=True)
class Pass:
    """The call may go out; as the probe, where `is_probe`. The breaker is then as `breaker` says."""

    breaker: Breaker
    is_probe: bool = False


@dataclass(frozen=True)
class Wait:
    """The call may not go out; ask again after so many seconds."""

    seconds: float


@dataclass(frozen=True)
class Calls:
    """What became of calls: so many ended `ago_seconds` before now, and so many of them failed."""

    calls: int
    failures: int = 0
    ago_seconds: float = 0.0


def admit(breaker: Breaker, rule: BreakerRule, *, now: float, probe_seconds: float) -> Pass | Wait:
    """Whether a call may go out now. A probe that tells nothing for `probe_seconds` is taken for lost.

    A rule that is off lets calls through a breaker that opened by itself, not through one that a hand opened.
    """
    if breaker.state is BreakerState.CLOSED:
        return Pass(breaker)
    if breaker.probe_at is None:
        return Wait(max(rule.open_seconds, 1.0))
    if not rule.is_on:
        return Pass(breaker)
    if now < breaker.probe_at:
        return Wait(breaker.probe_at - now)
    probing = replace(breaker, state=BreakerState.HALF_OPEN, probe_at=now + max(breaker.open_seconds, probe_seconds))
    return Pass(probing, is_probe=True)


def count(
    breaker: Breaker, rule: BreakerRule, ended: tuple[Calls, ...], *, now: float, is_probe: bool = False
) -> Breaker:
    """The breaker after calls have ended. Only the probe's end moves one that is not closed."""
    failed = any(each.failures for each in ended)
    if is_probe and breaker.state is BreakerState.HALF_OPEN:
        return _opened(breaker, rule, now) if failed else Breaker(BreakerState.CLOSED, now)
    if breaker.state is not BreakerState.CLOSED or not rule.is_on:
        return breaker
    counted = replace(breaker, parts=_added(breaker.parts, ended, rule, now))
    return _opened(counted, rule, now) if failed and is_tripped(counted, rule, now) else counted


def is_tripped(breaker: Breaker, rule: BreakerRule, now: float) -> bool:
    """Whether too large a share of enough calls failed."""
    calls, failures = totals(breaker, rule, now)
    return calls >= rule.minimum_calls and failures * 100 >= rule.failure_percent * calls


def totals(breaker: Breaker, rule: BreakerRule, now: float) -> tuple[int, int]:
    """The calls and the failures within the window."""
    kept = _kept(breaker.parts, rule, now)
    return sum(part.calls for part in kept), sum(part.failures for part in kept)


def trip(breaker: Breaker, *, now: float) -> Breaker:
    """Open by hand: until a hand closes it."""
    return replace(breaker, state=BreakerState.OPEN, since=now, probe_at=None)


def reset(*, now: float) -> Breaker:
    """Close by hand, with nothing counted."""
    return Breaker(BreakerState.CLOSED, now)


def _opened(breaker: Breaker, rule: BreakerRule, now: float) -> Breaker:
    """Open from now on; a breaker that a probe opens anew keeps since when, and the longer of the waits."""
    longest = max(rule.open_seconds, breaker.open_seconds)
    since = now if breaker.state is BreakerState.CLOSED else breaker.since
    return replace(breaker, state=BreakerState.OPEN, since=since, probe_at=now + longest, open_seconds=longest)


def _kept(parts: tuple[Part, ...], rule: BreakerRule, now: float) -> tuple[Part, ...]:
    return tuple(part for part in parts if part.at > now - rule.window_seconds)


def _added(parts: tuple[Part, ...], ended: tuple[Calls, ...], rule: BreakerRule, now: float) -> tuple[Part, ...]:
    """The parts with the ended calls in those in which they ended."""
    by_start = {part.at: part for part in _kept(parts, rule, now)}
    for each in ended:
        begin = floor((now - each.ago_seconds) / rule.part_seconds) * rule.part_seconds
        if begin > now - rule.window_seconds:
            known = by_start.get(begin, Part(begin, 0, 0))
            by_start[begin] = Part(begin, known.calls + each.calls, known.failures + each.failures)
    return tuple(by_start[begin] for begin in sorted(by_start))
