"""What a tick does with the due times that have come: start one, let some wait, leave some out."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from integrations.domain.blackout import Blackout, Inside
from integrations.domain.schedule import Timetable, next_due

# Under `skip` a due time may still start this late: a tick takes its time, and so does a scheduler's restart.
LATE_AT_MOST = timedelta(seconds=60)
MOST_CATCH_UP = 1_000
_TRIES = 1_000
# So many that are left out are counted exactly.
_COUNTED = 1_000
_HORIZON = timedelta(days=366 * 5)
_BLINK = timedelta(microseconds=1)


class Misfire(StrEnum):
    """What becomes of due times that could not start: left out, caught up by one run, or by one run each."""

    SKIP = "skip"
    ONE = "one"
    ALL = "all"


@dataclass(frozen=True)
class Plan:
    """A timetable with what holds beside it: blackout windows, the misfire policy, and how many it may catch up."""

    table: Timetable
    misfire: Misfire = Misfire.ONE
    catch_up_most: int = 100
    blackout: Blackout = field(default_factory=Blackout)


@dataclass(frozen=True)
class LeftOut:
    """Due times that start nothing: the first and last of them, how many (at least, where `is_more`)."""

    first: datetime
    last: datetime
    count: int
    is_more: bool = False


@dataclass(frozen=True)
class Decision:
    """`start` is the due time to start a run for, `following` the next one to look at, None where none ever comes."""

    start: datetime | None
    following: datetime | None
    left_out: LeftOut | None = None
    waits: bool = False
    is_bounded: bool = False


def next_start(plan: Plan, after: datetime) -> datetime | None:
    """The first due time after `after` that the windows let through; None where none comes within five years."""
    if plan.blackout.inside is Inside.MOVE and (span := plan.blackout.span_at(after)):
        if next_due(plan.table, span[0] - _BLINK) < span[1]:
            return span[1]
        after = span[1] - _BLINK
    due = next_due(plan.table, after)
    for _ in range(_TRIES):
        span = plan.blackout.span_at(due)
        if span is None or plan.blackout.inside is Inside.MOVE:
            return span[1] if span else due
        due = next_due(plan.table, span[1] - _BLINK)
        if due - after > _HORIZON:
            return None
    return None


def starts(plan: Plan, after: datetime, count: int) -> list[datetime]:
    """The next `count` due times, for a person to check the schedule by."""
    times: list[datetime] = []
    while len(times) < count and (following := next_start(plan, times[-1] if times else after)):
        times.append(following)
    return times


def decide(plan: Plan, first: datetime, now: datetime, *, is_busy: bool) -> Decision:
    """What to do about the due times from `first` to `now`; `is_busy` says that a run is active."""
    most = plan.catch_up_most if plan.misfire is Misfire.ALL else 1
    due, left_out = _newest(plan, first, now, most)
    if plan.misfire is Misfire.ALL:
        following = due[0] if is_busy else next_start(plan, due[0])
        return Decision(None if is_busy else due[0], following, left_out, is_busy, is_bounded=left_out is not None)
    newest = due[0]
    if plan.misfire is Misfire.SKIP and (is_busy or now - newest > LATE_AT_MOST):
        return Decision(None, next_start(plan, now), _with(left_out, newest))
    if is_busy:
        return Decision(None, first, waits=True)
    return Decision(newest, next_start(plan, now), left_out)


def _with(left_out: LeftOut | None, newest: datetime) -> LeftOut:
    if left_out is None:
        return LeftOut(newest, newest, 1)
    return LeftOut(left_out.first, newest, left_out.count + 1, left_out.is_more)


def _newest(plan: Plan, first: datetime, now: datetime, most: int) -> tuple[list[datetime], LeftOut | None]:
    """The newest `most` due times from `first` to `now`, ascending, and those before them.

    After a long outage not every one is counted: it looks back over a growing time until there are enough.
    """
    reach = timedelta(minutes=10)
    while True:
        is_whole = now - reach <= first
        begin = first if is_whole else now - reach
        due = _between(plan, begin, now, first if is_whole else None)
        if is_whole or len(due) > most + _COUNTED:
            break
        reach *= 4
    kept, older = due[-most:], due[:-most]
    if not older:
        return kept, None
    return kept, LeftOut(first, older[-1], len(older), is_more=not is_whole)


def _between(plan: Plan, begin: datetime, now: datetime, first: datetime | None) -> list[datetime]:
    due = [] if first is None else [first]
    at: datetime | None = begin
    while at is not None:
        at = next_start(plan, at)
        if at is None or at > now:
            break
        due.append(at)
    return due
