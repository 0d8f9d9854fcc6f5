"""Maintenance windows: read from lines, found in their own time zones, and what they do to what is due."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from integrations.domain.maintenance import blackout_of_items, window_end
from integrations.domain.policy import RULES, Item, ListRule
from integrations.domain.schedule import ScheduleKind, Timetable
from integrations.models import Event, RuleAction, Run, Schedule
from integrations.services.maintenance import hold_of
from integrations.services.schedules import set_schedule
from integrations.services.ticking import tick
from tests.runs.conftest import Bench

ALWAYS: list[Item] = [
    {"days": "daily", "from": "00:00", "to": "12:00", "zone": "UTC"},
    {"days": "daily", "from": "12:00", "to": "00:00", "zone": "UTC"},
]


def window(days: str, begins: str, ends: str, zone: str = "UTC") -> Item:
    return {"days": days, "from": begins, "to": ends, "zone": zone}


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("windows", "moment", "end"),
    [
        ([window("sat", "22:00", "06:00")], "2026-03-07T23:00", "2026-03-08T06:00"),
        ([window("sat", "22:00", "06:00")], "2026-03-08T05:59", "2026-03-08T06:00"),
        ([window("sat", "22:00", "06:00")], "2026-03-08T06:00", None),
        ([window("mon-wed", "10:00", "11:00")], "2026-03-05T10:30", None),
        ([window("fri-mon", "10:00", "11:00")], "2026-03-08T10:30", "2026-03-08T11:00"),
        ([window("daily", "10:00", "11:00", "Asia/Tokyo")], "2026-03-05T01:30", "2026-03-05T02:00"),
        (
            [window("daily", "10:00", "11:00"), window("daily", "11:00", "12:30")],
            "2026-03-05T10:30",
            "2026-03-05T12:30",
        ),
        ([window("weekdays", "10:00", "11:00")], "2026-03-07T10:30", None),
        ([], "2026-03-07T10:30", None),
    ],
)
def test_until_when_a_moment_is_in_maintenance(windows: list[Item], moment: str, end: str | None) -> None:
    assert window_end(blackout_of_items(windows), at(moment)) == (at(end) if end else None)


@pytest.mark.parametrize(
    ("line", "item"),
    [
        ("sat, sun 22:00 to 06:00 Europe/Berlin", window("sat, sun", "22:00", "06:00", "Europe/Berlin")),
        ("Mon-Fri 01:00-02:00 UTC", window("mon-fri", "01:00", "02:00")),
    ],
)
def test_a_line_is_a_window(line: str, item: Item) -> None:
    rule = RULES["maintenance.windows"]
    assert isinstance(rule, ListRule)
    assert rule.read(line) == [item]
    assert rule.read(rule.write([item])) == [item]


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("saturday night", "Write days"),
        ("noday 22:00 to 06:00 UTC", "“noday” is no weekday"),
        ("sat 25:00 to 06:00 UTC", "from a time to a time"),
        ("sat 22:00 to 06:00 Mars/Base", "no time zone"),
    ],
)
def test_a_line_that_is_no_window_says_why(line: str, why: str) -> None:
    rule = RULES["maintenance.windows"]
    assert isinstance(rule, ListRule)
    with pytest.raises(ValueError, match=why):
        rule.read(line)
    assert "A window has" in rule.problem_of([{"days": "sat"}])


@pytest.fixture
def make_due(make_bench: Callable[..., Bench]) -> Callable[..., Bench]:
    def make(**rules: Any) -> Bench:
        bench = make_bench(rules={"maintenance.windows": ALWAYS[:], **rules})
        set_schedule(deployment=bench.deployment, timetable=Timetable(ScheduleKind.INTERVAL, every_seconds=3600))
        Schedule.objects.update(next_due_at=timezone.now() - timedelta(seconds=5))
        return bench

    return make


def soon() -> list[Item]:
    """A window around now that ends within the next hours."""
    now = timezone.now()
    return [window("daily", f"{now - timedelta(hours=1):%H:%M}", f"{now + timedelta(hours=2):%H:%M}")]


def test_what_is_due_in_a_window_waits_for_its_end(make_due: Callable[..., Bench]) -> None:
    make_due(**{"maintenance.windows": soon()})
    assert (tick(), tick()) == (0, 0)
    due = Schedule.objects.get().next_due_at
    assert due is not None
    assert timedelta(hours=1, minutes=58) < due - timezone.now() <= timedelta(hours=2)
    assert Event.objects.filter(kind="schedule.maintenance").count() == 1
    assert "waits until" in RuleAction.objects.get(rule="maintenance.windows").what
    assert not Run.objects.exists()


def test_or_is_left_out_as_the_policy_says(make_due: Callable[..., Bench]) -> None:
    make_due(**{"maintenance.windows": soon(), "maintenance.inside": "skip"})
    assert tick() == 0
    due = Schedule.objects.get().next_due_at
    assert due is not None
    assert due - timezone.now() > timedelta(hours=1, minutes=58)
    assert "is left out" in Event.objects.get(kind="schedule.maintenance").message


def test_outside_of_its_windows_a_schedule_starts(make_due: Callable[..., Bench]) -> None:
    later = timezone.now() + timedelta(hours=3)
    make_due(**{"maintenance.windows": [window("daily", f"{later:%H:%M}", f"{later + timedelta(hours=1):%H:%M}")]})
    assert tick() == 1


def test_a_start_by_hand_works_and_is_warned_of(make_due: Callable[..., Bench]) -> None:
    bench = make_due(**{"maintenance.windows": soon()})
    assert hold_of(bench.deployment, timezone.now()) is not None
    run = bench.start()
    warning = Event.objects.get(run_id=run.pk, kind="run.maintenance")
    assert (warning.level, "maintenance window" in warning.message) == ("warning", True)
