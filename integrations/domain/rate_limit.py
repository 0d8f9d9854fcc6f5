"""How many calls may go out and when: a token bucket as pure decisions, with tokens that a caller may take ahead.

The bucket is kept as one moment, the time until which it is spent (GCRA, the "theoretical arrival time" of ITU-T
I.371): a token moves it on by one interval, and it may run ahead of now by the bucket's depth. A caller takes several
tokens at once and must use each within `hold_seconds`, or lose it; so that no window ever sees more than
`burst + rate * window` calls, what the callers may hold back is taken off the bucket's depth beforehand. (A burst of
one leaves nothing to take off: two calls may then be as near as half an interval.)
"""

from __future__ import annotations

from dataclasses import dataclass

MOST_TOKENS_AT_ONCE = 64
# With a burst of one nothing can be held back for lateness; so much of an interval must do.
LATE_SHARE = 0.5


@dataclass(frozen=True)
class Rate:
    """So many calls a minute, and so many at once after a quiet time."""

    per_minute: int
    burst: int = 1

    @property
    def interval_seconds(self) -> float:
        """The time that one token takes to grow."""
        return 60.0 / self.per_minute

    @property
    def held_back(self) -> int:
        """Tokens of the burst that callers may hold unused; the bucket is shallower by them."""
        return self.burst // 2

    @property
    def depth_seconds(self) -> float:
        """How far the bucket may be spent ahead of now."""
        return (self.burst - self.held_back) * self.interval_seconds

    @property
    def hold_seconds(self) -> float:
        """For how long a token may be used after its moment; a caller that wakes up later has lost it."""
        return max(self.held_back, LATE_SHARE) * self.interval_seconds

    @property
    def most_at_once(self) -> int:
        """How many tokens one caller may take ahead: few enough that it hardly loses any."""
        return max(1, min(self.held_back // 4, MOST_TOKENS_AT_ONCE))


@dataclass(frozen=True)
class Granted:
    """`tokens` may be used from `wait_seconds` after now on; the bucket is spent until `spent_until`."""

    tokens: int
    wait_seconds: float
    spent_until: float


@dataclass(frozen=True)
class Refused:
    """No token within the caller's patience; the next would be usable after `wait_seconds`."""

    wait_seconds: float


def take(rate: Rate, *, now: float, spent_until: float, wanted: int, patience_seconds: float) -> Granted | Refused:
    """Take up to `wanted` tokens of those there are now, else as many that the caller waits for, up to its patience.

    Times are seconds on one clock. A wait is a reservation: who takes it waits exactly so long and asks no more.
    """
    most = min(wanted, rate.most_at_once)
    begin = max(spent_until, now)
    room = now + rate.depth_seconds - begin
    # A caller that comes at the very moment it was told must not be told a moment more.
    there = int(room / rate.interval_seconds + 1e-6)
    if there >= 1:
        tokens = min(there, most)
        return Granted(tokens, 0.0, begin + tokens * rate.interval_seconds)
    for tokens in dict.fromkeys((most, 1)):
        wait = tokens * rate.interval_seconds - room
        if wait <= patience_seconds:
            return Granted(tokens, wait, begin + tokens * rate.interval_seconds)
    return Refused(rate.interval_seconds - room)


def tokens_left(rate: Rate, *, now: float, spent_until: float) -> int:
    """How many calls could go out at once now."""
    room = now + rate.depth_seconds - max(spent_until, now)
    return max(0, int(room / rate.interval_seconds + 1e-6))


def next_wanted(rate: Rate, *, wanted: int, used: int, taken: int) -> int:
    """How many tokens to take ahead next time: more while all were used, one again after any was lost."""
    return min(wanted * 2, rate.most_at_once) if used == taken else 1


@dataclass(frozen=True)
class Hold:
    """A pause that the other system asked for: until when, how long it was, and how many came one after the other."""

    until: float = 0.0
    seconds: float = 0.0
    refusals: int = 0


def hold_after(
    hold: Hold, *, now: float, asked_seconds: float | None, first_seconds: float, longest_seconds: float
) -> Hold:
    """The pause after a refusal: what was asked for, up to the longest, else twice the last one.

    A refusal long after a pause begins anew, one within a pause (of a call that was on its way) does not lengthen it.
    """
    if now < hold.until and asked_seconds is None:
        return hold
    refusals = 1 if now > hold.until + max(hold.seconds, 1.0) else hold.refusals + 1
    if asked_seconds is None:
        # 2.0 ** 1024 overflows, and nothing is still growing after 60 doublings.
        seconds = min(longest_seconds, first_seconds * 2.0 ** min(refusals - 1, 60))
    else:
        seconds = min(max(asked_seconds, 0.0), longest_seconds)
    return Hold(max(hold.until, now + seconds), seconds, refusals)


def may_enter(*, allowed: int, held: int, waiting_before: int) -> bool:
    """Whether a caller gets one of the slots, behind those who waited before it. 0 allowed means no bound."""
    return allowed == 0 or held + waiting_before < allowed
