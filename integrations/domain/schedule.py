"""When a schedule is due: cron in a time zone, or a fixed interval."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cronsim import CronSim, CronSimError

from integrations.domain.wall_clock import next_cron

MIN_EVERY_SECONDS = 5
MAX_EVERY_SECONDS = 366 * 24 * 3600
# Whether an expression ever comes due does not depend on when it is asked.
_ANY_DAY = datetime(2024, 1, 1)  # noqa: DTZ001 - a wall time


class ScheduleKind(StrEnum):
    """How due times are told."""

    CRON = "cron"
    INTERVAL = "interval"


@dataclass(frozen=True)
class Timetable:
    """A checked schedule: `cron` (five fields, in `time_zone`) or `every_seconds`."""

    kind: ScheduleKind
    cron: str = ""
    every_seconds: int = 0
    time_zone: str = "UTC"


def problem_of(table: Timetable) -> tuple[str, str] | None:
    """The field and the sentence that say why a timetable cannot be used, or None."""
    try:
        ZoneInfo(table.time_zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return "time_zone", f"There is no time zone “{table.time_zone}”. Use a name such as Europe/Berlin."
    if table.kind is ScheduleKind.INTERVAL:
        if not MIN_EVERY_SECONDS <= table.every_seconds <= MAX_EVERY_SECONDS:
            return "every_seconds", f"An interval is between {MIN_EVERY_SECONDS} seconds and a year."
        return None
    try:
        next(CronSim(table.cron, _ANY_DAY))
    except (CronSimError, StopIteration):
        return (
            "cron",
            f"“{table.cron}” is not a cron expression that ever comes due. Use five fields, e.g. */15 * * * *.",
        )
    return None


def next_due(table: Timetable, after: datetime) -> datetime:
    """The first due time after `after` (aware), in UTC.

    An interval keeps its grid, counted from the epoch: two schedulers compute the same time, and no clock change moves
    it. What a cron expression does on the days of a clock change is said in `wall_clock`.
    """
    if table.kind is ScheduleKind.INTERVAL:
        step = table.every_seconds
        return datetime.fromtimestamp((int(after.timestamp()) // step + 1) * step, UTC)
    return next_cron(table.cron, ZoneInfo(table.time_zone), after)


def upcoming(table: Timetable, after: datetime, count: int) -> list[datetime]:
    """The next `count` due times, for a person to check the schedule by."""
    times: list[datetime] = []
    for _ in range(count):
        after = next_due(table, after)
        times.append(after)
    return times
