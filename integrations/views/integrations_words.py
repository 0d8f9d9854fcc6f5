"""Schedules in words."""

from __future__ import annotations

from integrations.domain.schedule import ScheduleKind
from integrations.models import Schedule

_UNITS = ((86_400, "day", "days"), (3600, "hour", "hours"), (60, "minute", "minutes"), (1, "second", "seconds"))
_DAYS = {"1-5": "on weekdays", "0": "on Sundays", "7": "on Sundays", "1": "on Mondays", "2": "on Tuesdays",
         "3": "on Wednesdays", "4": "on Thursdays", "5": "on Fridays", "6": "on Saturdays"}  # fmt: skip


def schedule_words(schedule: Schedule | None) -> str:
    """`every 20 seconds`, `every hour at :15 (Europe/Vienna)`, `at 06:30 on weekdays (UTC)`, or the expression."""
    if schedule is None:
        return "only when asked to"
    if schedule.kind == ScheduleKind.INTERVAL:
        return interval_words(schedule.every_seconds or 0)
    return f"{cron_words(schedule.cron)} ({schedule.time_zone})"


def interval_words(seconds: int) -> str:
    """The interval in its largest whole unit."""
    size, one, many = next(unit for unit in _UNITS if seconds % unit[0] == 0)
    count = seconds // size
    return f"every {one}" if count == 1 else f"every {count} {many}"


def cron_words(cron: str) -> str:
    """Common shapes in words; any other as it is written, which is exact."""
    parts = cron.split()
    if len(parts) != 5:
        return cron
    minute, hour, *rest = parts
    if rest[:2] != ["*", "*"] or not (rest[2] == "*" or rest[2] in _DAYS):
        return cron
    days = f" {_DAYS[rest[2]]}" if rest[2] in _DAYS else ""
    if minute.isdecimal() and hour.isdecimal():
        return f"at {int(hour):02d}:{int(minute):02d}{days or ' every day'}"
    if minute.isdecimal() and hour == "*":
        return f"every hour at :{int(minute):02d}{days}"
    if hour == "*" and minute.startswith("*/") and minute[2:].isdecimal():
        return interval_words(int(minute[2:]) * 60) + days
    return cron
