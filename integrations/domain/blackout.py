"""Blackout windows: when a schedule must not start a run, and what becomes of a due time inside one."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, tzinfo
from enum import StrEnum
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from integrations.domain.wall_clock import instant

MOST_WINDOWS = 50
LONGEST = timedelta(days=400)
_TIME = re.compile(r"([01]\d|2[0-3]):[0-5]\d")
_DAYS_AROUND = (-1, 0, 1)


class Inside(StrEnum):
    """What becomes of a due time inside a window: left out, or moved to the window's end."""

    SKIP = "skip"
    MOVE = "move"


@dataclass(frozen=True)
class WeeklyWindow:
    """On these weekdays (0 is Monday); into the next day where it `ends` no later than it `begins`."""

    days: frozenset[int]
    begins: time
    ends: time

    def spans(self, near: date) -> Iterator[tuple[datetime, datetime]]:
        """The wall times of the windows that begin on the day before, on, and after a date."""
        for around in _DAYS_AROUND:
            day = near + timedelta(days=around)
            if day.weekday() in self.days:
                last = day if self.ends > self.begins else day + timedelta(days=1)
                yield datetime.combine(day, self.begins), datetime.combine(last, self.ends)

    def to_json(self) -> dict[str, Any]:
        return {"days": sorted(self.days), "from": f"{self.begins:%H:%M}", "to": f"{self.ends:%H:%M}"}


@dataclass(frozen=True)
class DateWindow:
    """From one wall time to another, once."""

    begins: datetime
    ends: datetime

    def spans(self, near: date) -> Iterator[tuple[datetime, datetime]]:  # noqa: ARG002 - as the weekly window
        """The wall times of the one window."""
        yield self.begins, self.ends

    def to_json(self) -> dict[str, Any]:
        return {"from": f"{self.begins:%Y-%m-%dT%H:%M}", "to": f"{self.ends:%Y-%m-%dT%H:%M}"}


@dataclass(frozen=True)
class Blackout:
    """The windows of a schedule, in one time zone. A window holds its beginning and not its end."""

    windows: tuple[WeeklyWindow | DateWindow, ...] = ()
    inside: Inside = Inside.SKIP
    time_zone: str = "UTC"

    def span_at(self, moment: datetime) -> tuple[datetime, datetime] | None:
        """The beginning and end, in UTC, of the windows around a moment, joined where they touch; None outside."""
        if not self.windows:
            return None
        zone = ZoneInfo(self.time_zone)
        found = self._one_at(moment, zone)
        if found is None:
            return None
        begins, ends = found
        while (later := self._one_at(ends, zone)) and later[1] > ends and ends - moment < LONGEST:
            ends = later[1]
        while (earlier := self._one_at(begins - timedelta(seconds=1), zone)) and moment - begins < LONGEST:
            if earlier[0] >= begins:
                break
            begins = earlier[0]
        return begins, ends

    def _one_at(self, moment: datetime, zone: tzinfo) -> tuple[datetime, datetime] | None:
        near = moment.astimezone(zone).date()
        for window in self.windows:
            for first, last in window.spans(near):
                begins, ends = instant(first, zone), instant(last, zone, last=True)
                if begins <= moment < ends:
                    return begins, ends
        return None

    def to_json(self) -> dict[str, Any]:
        """Plain values for the row, the page and the API."""
        windows = [window.to_json() for window in self.windows]
        return {"windows": windows, "inside": self.inside.value, "time_zone": self.time_zone}


class BlackoutFormatError(ValueError):
    """What was given is no blackout; the text says why, for a person."""


def blackout_of(value: Mapping[str, Any]) -> Blackout:
    """The blackout of plain values. Raises BlackoutFormatError, which says what to write in place."""
    zone = str(value.get("time_zone") or "UTC")
    try:
        ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise BlackoutFormatError(f"There is no time zone “{zone}”. Use a name such as Europe/Berlin.") from error
    inside = value.get("inside", Inside.SKIP)
    if inside not in set(Inside):
        raise BlackoutFormatError("A due time inside a window is left out (skip) or moved to its end (move).")
    windows = value.get("windows", [])
    if not isinstance(windows, Sequence) or isinstance(windows, str) or len(windows) > MOST_WINDOWS:
        raise BlackoutFormatError(f"The windows are a list of at most {MOST_WINDOWS}.")
    return Blackout(tuple(_window_of(each) for each in windows), Inside(inside), zone)


def _window_of(value: Any) -> WeeklyWindow | DateWindow:  # from a stored row or a request: anything
    if not isinstance(value, Mapping) or not set(value) <= {"days", "from", "to"}:
        raise BlackoutFormatError("A window has days, from and to, or from and to alone for a range of dates.")
    begins, ends = str(value.get("from", "")), str(value.get("to", ""))
    return _weekly(value["days"], begins, ends) if "days" in value else _dated(begins, ends)


def _weekly(days: Any, begins: str, ends: str) -> WeeklyWindow:
    if not isinstance(days, Sequence) or not days or not all(type(day) is int and 0 <= day <= 6 for day in days):
        raise BlackoutFormatError("Choose the weekdays of a weekly window: 0 (Monday) to 6 (Sunday).")
    if not _TIME.fullmatch(begins) or not _TIME.fullmatch(ends):
        raise BlackoutFormatError("A weekly window goes from a time to a time, such as 22:00 to 06:00.")
    return WeeklyWindow(frozenset(days), time.fromisoformat(begins), time.fromisoformat(ends))


def _dated(begins: str, ends: str) -> DateWindow:
    try:
        first, last = datetime.fromisoformat(begins), datetime.fromisoformat(ends)
    except ValueError as error:
        raise BlackoutFormatError("A range goes from a date and time to another: 2026-12-24T00:00.") from error
    if first.tzinfo or last.tzinfo:
        raise BlackoutFormatError(
            "The times of a range are wall times in the windows' time zone; leave the offset out."
        )
    if not first < last:
        raise BlackoutFormatError("A range ends after it begins.")
    if last - first > LONGEST:
        raise BlackoutFormatError("A range is at most 400 days long; switch the schedule off instead.")
    return DateWindow(first, last)
