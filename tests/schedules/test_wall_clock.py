"""Cron times on the two daylight-saving days, in zones of every kind."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest

from integrations.domain.schedule import ScheduleKind, Timetable, next_due, upcoming

pytestmark = pytest.mark.fault("F33")


def due_times(cron: str, zone: str, begin: str, end: str) -> list[str]:
    """The due times in a span of UTC, as text."""
    at, last = (datetime.fromisoformat(text).replace(tzinfo=UTC) for text in (begin, end))
    at -= timedelta(seconds=1)
    found = []
    while (at := next_due(Timetable(ScheduleKind.CRON, cron, time_zone=zone), at)) < last:
        found.append(f"{at:%dT%H:%M}")
    return found


# Europe/Berlin: 2026-03-29 01:00Z 02:00 -> 03:00, 2026-10-25 01:00Z 03:00 -> 02:00.
BERLIN_SPRING = ("2026-03-28T23:00", "2026-03-30T00:00")
BERLIN_AUTUMN = ("2026-10-24T22:00", "2026-10-26T00:00")


@pytest.mark.parametrize(
    ("cron", "zone", "span", "expected"),
    [
        ("30 2 * * *", "Europe/Berlin", BERLIN_SPRING, ["29T01:00"]),
        ("0,30 2 * * *", "Europe/Berlin", BERLIN_SPRING, ["29T01:00"]),
        ("0,30 2,3 * * *", "Europe/Berlin", BERLIN_SPRING, ["29T01:00", "29T01:30"]),
        ("*/30 1-3 * * *", "Europe/Berlin", BERLIN_SPRING,
         ["29T00:00", "29T00:30", "29T01:00", "29T01:30", "29T23:00", "29T23:30"]),
        ("30 2 * * *", "Europe/Berlin", BERLIN_AUTUMN, ["25T00:30"]),
        ("0 3 * * *", "Europe/Berlin", BERLIN_AUTUMN, ["25T02:00"]),
        ("*/30 2 * * *", "Europe/Berlin", BERLIN_AUTUMN, ["25T00:00", "25T00:30", "25T01:00", "25T01:30"]),
        ("59 * * * *", "Europe/Berlin", ("2026-10-24T23:00", "2026-10-25T03:00"),
         ["24T23:59", "25T00:59", "25T01:59", "25T02:59"]),
        # The clock of Lord Howe moves by half an hour.
        ("15 2 * * *", "Australia/Lord_Howe", ("2026-10-03T13:00", "2026-10-04T13:00"), ["03T15:30"]),
        ("0 5 * * *", "Australia/Lord_Howe", ("2026-10-03T13:00", "2026-10-04T13:00"), ["03T18:00"]),
        ("*/15 5 * * *", "Australia/Lord_Howe", ("2026-10-03T13:00", "2026-10-04T13:00"),
         ["03T18:00", "03T18:15", "03T18:30", "03T18:45"]),
        ("45 1 * * *", "Australia/Lord_Howe", ("2026-04-04T13:00", "2026-04-05T13:00"), ["04T14:45"]),
        ("*/15 1 * * *", "Australia/Lord_Howe", ("2026-04-04T13:00", "2026-04-05T13:00"),
         ["04T14:00", "04T14:15", "04T14:30", "04T14:45", "04T15:00", "04T15:15"]),
        # In Cairo the gap is at midnight.
        ("0 0 * * *", "Africa/Cairo", ("2026-04-23T12:00", "2026-04-25T12:00"), ["23T22:00", "24T21:00"]),
        # Samoa left a whole day out.
        ("0 9 * * *", "Pacific/Apia", ("2011-12-29T00:00", "2012-01-01T00:00"),
         ["29T19:00", "30T10:00", "30T19:00", "31T19:00"]),
        # New York, both days.
        ("30 2 * * *", "America/New_York", ("2026-03-08T00:00", "2026-03-09T00:00"), ["08T07:00"]),
        ("30 1 * * *", "America/New_York", ("2026-11-01T00:00", "2026-11-02T00:00"), ["01T05:30"]),
    ],
)  # fmt: skip
def test_a_cron_time_is_due_as_the_rules_say(cron: str, zone: str, span: tuple[str, str], expected: list[str]) -> None:
    assert due_times(cron, zone, *span) == expected


CHANGES = [
    ("Europe/Berlin", "2026-03-29T01:00"), ("Europe/Berlin", "2026-10-25T01:00"),
    ("America/New_York", "2026-03-08T07:00"), ("America/New_York", "2026-11-01T06:00"),
    ("Australia/Lord_Howe", "2026-10-03T15:30"), ("Australia/Lord_Howe", "2026-04-04T15:00"),
    ("Africa/Cairo", "2026-04-23T22:00"), ("Africa/Cairo", "2026-10-29T21:00"),
    ("Africa/Casablanca", "2026-02-15T02:00"), ("Africa/Casablanca", "2026-03-22T02:00"),
    ("America/Santiago", "2026-04-05T03:00"), ("America/Santiago", "2026-09-06T04:00"),
    ("Asia/Kathmandu", "2026-03-29T01:00"), ("UTC", "2026-03-29T01:00"),
]  # fmt: skip


@pytest.mark.parametrize("minutes", ["*", "*/7", "*/15", "*/30"])
@pytest.mark.parametrize(("zone", "change"), CHANGES)
def test_a_repeating_time_is_due_whenever_a_clock_on_the_wall_shows_it(zone: str, change: str, minutes: str) -> None:
    begin = datetime.fromisoformat(change).replace(tzinfo=UTC) - timedelta(hours=5)
    step = int(minutes[2:] or 1)
    moments = [begin + timedelta(minutes=minute) for minute in range(10 * 60)]
    shown = [moment for moment in moments if moment.astimezone(ZoneInfo(zone)).minute % step == 0]
    table = Timetable(ScheduleKind.CRON, f"{minutes} * * * *", time_zone=zone)
    assert upcoming(table, begin - timedelta(seconds=1), len(shown)) == shown


@pytest.mark.parametrize(("zone", "change"), CHANGES)
@pytest.mark.parametrize("hour", range(4))
def test_a_fixed_time_is_due_once_a_day_on_every_day(zone: str, change: str, hour: int) -> None:
    begin = datetime.fromisoformat(change).replace(tzinfo=UTC) - timedelta(days=3)
    table = Timetable(ScheduleKind.CRON, f"20 {hour} * * *", time_zone=zone)
    days = [moment.astimezone(ZoneInfo(zone)).date() for moment in upcoming(table, begin, 6)]
    assert days == [days[0] + timedelta(days=number) for number in range(6)]


def test_a_due_time_is_always_after_the_time_that_was_asked_from() -> None:
    second_pass = datetime(2026, 10, 25, 1, 10, tzinfo=UTC)
    table = Timetable(ScheduleKind.CRON, "30 2 * * *", time_zone="Europe/Berlin")
    assert next_due(table, second_pass) == datetime(2026, 10, 26, 1, 30, tzinfo=UTC)


def test_an_interval_does_not_move_with_the_clock_on_the_wall() -> None:
    table = Timetable(ScheduleKind.INTERVAL, every_seconds=3600, time_zone="Europe/Berlin")
    times = upcoming(table, datetime(2026, 10, 24, 22, tzinfo=UTC), 6)
    assert {later - earlier for earlier, later in pairwise(times)} == {timedelta(hours=1)}
