"""From the clock on the wall to the moment: cron times in any zone, on both daylight-saving days.

The rules, the same in every zone (`docs/schedules.md` says them for people):

- A time that the spring change leaves out: a fixed time (`30 2 * * *`) is due once, at the first moment after the gap;
  one that repeats (`*` first in the minute or the hour, such as `*/15 * * * *`) is left out: no such minute was.
- A time that the autumn change shows twice: a fixed time is due once, the first time; one that repeats both times.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, tzinfo

from cronsim import CronSim

_SECOND = timedelta(seconds=1)


def instant(wall: datetime, zone: tzinfo, *, last: bool = False) -> datetime:
    """The moment, in UTC, of a naive wall time: the first after a gap; of two equal times the first, or `last`."""
    first, second = (wall.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1))
    if is_missing(wall, zone):
        # Read with the offset after the change it lies before the gap, and the other way round.
        return change_between(second, first, zone)
    return second if last else first


def is_missing(wall: datetime, zone: tzinfo) -> bool:
    """Say whether a clock on the wall never shows this time."""
    return wall.replace(tzinfo=zone).astimezone(UTC).astimezone(zone).replace(tzinfo=None) != wall


def change_between(before: datetime, after: datetime, zone: tzinfo) -> datetime:
    """The first moment in (before, after], to the second, at which the offset is the one of `after`."""
    offset = after.astimezone(zone).utcoffset()
    while after - before > _SECOND:
        middle = before + (after - before) // 2
        middle = middle.replace(microsecond=0) if middle.replace(microsecond=0) > before else middle
        if middle.astimezone(zone).utcoffset() == offset:
            after = middle
        else:
            before = middle
    return after


def next_cron(cron: str, zone: tzinfo, after: datetime) -> datetime:
    """The first moment after `after` (aware) at which a cron expression is due, in UTC."""
    minute, hour = cron.split()[-5:][:2]
    repeats = minute.startswith("*") or hour.startswith("*")
    found = _next_repeating(cron, zone, after) if repeats else _next_fixed(cron, zone, after)
    return found.astimezone(UTC)


def _next_fixed(cron: str, zone: tzinfo, after: datetime) -> datetime:
    # In the second pass of a repeated hour, wall times come up whose one moment was in the first.
    for wall in CronSim(cron, _wall(after, zone)):
        moment = instant(wall, zone)
        if moment > after:
            return moment
    raise StopIteration  # pragma: no cover - CronSim itself raises where nothing is due in fifty years


def _next_repeating(cron: str, zone: tzinfo, after: datetime) -> datetime:
    local = after.astimezone(zone)
    found = _next_real(cron, zone, after, _wall(after, zone))
    again = _second_pass(local, zone)
    if again is None or found < again:
        return found
    # The first pass has no more: the wall times before `after` come once again.
    return min(found, _next_real(cron, zone, again - _SECOND, _wall(again, zone) - _SECOND))


def _next_real(cron: str, zone: tzinfo, after: datetime, wall_after: datetime) -> datetime:
    for wall in CronSim(cron, wall_after):
        if is_missing(wall, zone):
            continue
        for last in (False, True):
            moment = instant(wall, zone, last=last)
            if moment > after:
                return moment
    raise StopIteration  # pragma: no cover - as above


def _second_pass(local: datetime, zone: tzinfo) -> datetime | None:
    """When the hour that `local` stands in begins again, if it stands in the first pass of one that does."""
    first, second = (local.replace(fold=fold).astimezone(UTC) for fold in (0, 1))
    if local.fold or first >= second:
        return None
    return change_between(first, second, zone)


def _wall(moment: datetime, zone: tzinfo) -> datetime:
    return moment.astimezone(zone).replace(tzinfo=None, fold=0)
