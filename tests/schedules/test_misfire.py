"""Blackout windows, and what a tick does with the due times that have come."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from integrations.domain.blackout import BlackoutFormatError, blackout_of
from integrations.domain.misfire import Decision, LeftOut, Misfire, Plan, decide, next_start, starts
from integrations.domain.schedule import ScheduleKind, Timetable

pytestmark = pytest.mark.fault("F34")
HOURLY = Timetable(ScheduleKind.INTERVAL, every_seconds=3600)
NIGHTS = {"days": [0, 1, 2, 3, 4, 5, 6], "from": "22:00", "to": "06:00"}


def at(text: str) -> datetime:
    return datetime.fromisoformat(f"2026-{text}").replace(tzinfo=UTC)


def plan(
    table: Timetable = HOURLY, *windows: dict[str, Any], inside: str = "skip", zone: str = "UTC", **more: Any
) -> Plan:
    return Plan(table, blackout=blackout_of({"windows": windows, "inside": inside, "time_zone": zone}), **more)


def shown(times: list[datetime]) -> list[str]:
    return [f"{time:%m-%dT%H:%M}" for time in times]


@pytest.mark.parametrize(
    ("windows", "inside", "zone", "expected"),
    [
        ([], "skip", "UTC", ["05-04T21:00", "05-04T22:00", "05-04T23:00"]),
        ([NIGHTS], "skip", "UTC", ["05-04T21:00", "05-05T06:00", "05-05T07:00"]),
        ([NIGHTS], "move", "UTC", ["05-04T21:00", "05-05T06:00", "05-05T07:00"]),
        ([{"days": [0], "from": "21:30", "to": "22:30"}], "move", "UTC", ["05-04T21:00", "05-04T22:30", "05-04T23:00"]),
        ([{"from": "2026-05-04T20:30", "to": "2026-05-06T00:15"}], "move", "UTC",
         ["05-06T00:15", "05-06T01:00", "05-06T02:00"]),
        ([{"from": "2026-05-04T20:30", "to": "2026-05-06T00:15"}], "skip", "UTC",
         ["05-06T01:00", "05-06T02:00", "05-06T03:00"]),
        ([NIGHTS], "skip", "Europe/Berlin", ["05-05T04:00", "05-05T05:00", "05-05T06:00"]),
        # Windows that touch are one.
        ([{"days": [0], "from": "21:00", "to": "22:00"}, {"days": [0], "from": "22:00", "to": "23:30"}], "move", "UTC",
         ["05-04T23:30", "05-05T00:00", "05-05T01:00"]),
        # A whole day, from midnight to midnight.
        ([{"days": [1], "from": "00:00", "to": "00:00"}], "skip", "UTC", ["05-04T21:00", "05-04T22:00", "05-04T23:00"]),
    ],
)  # fmt: skip
def test_a_window_leaves_out_or_moves_what_is_due_inside(
    windows: list[dict[str, Any]], inside: str, zone: str, expected: list[str]
) -> None:
    assert shown(starts(plan(HOURLY, *windows, inside=inside, zone=zone), at("05-04T20:10"), 3)) == expected


def test_what_was_moved_is_due_even_when_asked_from_inside_the_window() -> None:
    daily = Timetable(ScheduleKind.CRON, "0 23 * * *")
    assert next_start(plan(daily, NIGHTS, inside="move"), at("05-04T23:30")) == at("05-05T06:00")


def test_a_window_without_anything_due_inside_moves_nothing() -> None:
    noon = Timetable(ScheduleKind.CRON, "0 12 * * *")
    assert next_start(plan(noon, NIGHTS, inside="move"), at("05-04T23:30")) == at("05-05T12:00")


def test_windows_over_every_due_time_leave_none() -> None:
    daily = Timetable(ScheduleKind.CRON, "0 23 * * *")
    assert next_start(plan(daily, NIGHTS), at("05-04T20:00")) is None


def test_a_window_over_the_autumn_change_lasts_until_its_end_comes_the_second_time() -> None:
    nightly = {"from": "2026-10-25T01:00", "to": "2026-10-25T02:30"}
    every = Timetable(ScheduleKind.INTERVAL, every_seconds=1800)
    times = starts(plan(every, nightly, zone="Europe/Berlin"), at("10-24T22:40"), 2)
    assert shown(times) == ["10-25T01:30", "10-25T02:00"]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"time_zone": "Mars/Olympus"}, "no time zone"),
        ({"inside": "wait"}, "left out"),
        ({"windows": "nights"}, "list"),
        ({"windows": [{"days": [0], "until": "06:00"}]}, "days, from and to"),
        ({"windows": [{"days": [7], "from": "22:00", "to": "06:00"}]}, "weekdays"),
        ({"windows": [{"days": [True], "from": "22:00", "to": "06:00"}]}, "weekdays"),
        ({"windows": [{"days": [0], "from": "24:00", "to": "06:00"}]}, "22:00 to 06:00"),
        ({"windows": [{"from": "soon", "to": "later"}]}, "2026-12-24T00:00"),
        ({"windows": [{"from": "2026-12-24T00:00+01:00", "to": "2026-12-25T00:00"}]}, "offset"),
        ({"windows": [{"from": "2026-12-24T00:00", "to": "2026-12-24T00:00"}]}, "after it begins"),
        ({"windows": [{"from": "2026-12-24T00:00", "to": "2029-12-24T00:00"}]}, "400 days"),
    ],
)
def test_what_is_no_blackout_is_refused_with_what_to_write(given: dict[str, Any], words: str) -> None:
    with pytest.raises(BlackoutFormatError, match=words):
        blackout_of(given)


def test_a_blackout_is_stored_as_it_was_given() -> None:
    given = {
        "windows": [NIGHTS, {"from": "2026-12-24T00:00", "to": "2027-01-02T00:00"}],
        "inside": "move",
        "time_zone": "UTC",
    }
    assert blackout_of(given).to_json() == given


FIRST, NOW = at("05-04T10:00"), at("05-04T12:00:10")


@pytest.mark.parametrize(
    ("misfire", "is_busy", "expected"),
    [
        (Misfire.SKIP, False, Decision(at("05-04T12:00"), at("05-04T13:00"), LeftOut(FIRST, at("05-04T11:00"), 2))),
        (Misfire.SKIP, True, Decision(None, at("05-04T13:00"), LeftOut(FIRST, at("05-04T12:00"), 3))),
        (Misfire.ONE, False, Decision(at("05-04T12:00"), at("05-04T13:00"), LeftOut(FIRST, at("05-04T11:00"), 2))),
        (Misfire.ONE, True, Decision(None, FIRST, waits=True)),
        (Misfire.ALL, False, Decision(FIRST, at("05-04T11:00"))),
        (Misfire.ALL, True, Decision(None, FIRST, waits=True)),
    ],
)
def test_the_policy_says_what_becomes_of_three_due_times(misfire: Misfire, is_busy: bool, expected: Decision) -> None:
    assert decide(plan(misfire=misfire), FIRST, NOW, is_busy=is_busy) == expected


def test_a_late_due_time_is_left_out_under_skip() -> None:
    made = decide(plan(misfire=Misfire.SKIP), FIRST, at("05-04T10:02"), is_busy=False)
    assert made == Decision(None, at("05-04T11:00"), LeftOut(FIRST, FIRST, 1))


def test_all_starts_at_most_so_many_and_says_what_it_leaves_out() -> None:
    made = decide(plan(misfire=Misfire.ALL, catch_up_most=2), FIRST, NOW, is_busy=False)
    assert made == Decision(at("05-04T11:00"), at("05-04T12:00"), LeftOut(FIRST, FIRST, 1), is_bounded=True)


def test_a_year_of_missed_times_is_judged_without_counting_them_all() -> None:
    every = Timetable(ScheduleKind.INTERVAL, every_seconds=5)
    made = decide(plan(every, misfire=Misfire.ALL, catch_up_most=10), FIRST, FIRST + timedelta(days=365), is_busy=False)
    assert made.left_out is not None
    assert (made.left_out.first, made.left_out.is_more) == (FIRST, True)
    assert made.start == FIRST + timedelta(days=365) - timedelta(seconds=45)


def test_due_times_inside_a_window_are_not_caught_up() -> None:
    made = decide(plan(HOURLY, NIGHTS, misfire=Misfire.ALL), at("05-04T21:00"), at("05-05T07:30"), is_busy=False)
    assert (made.start, made.following) == (at("05-04T21:00"), at("05-05T06:00"))
