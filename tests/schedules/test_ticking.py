"""What a tick starts, lets wait and leaves out, and what it says about it."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from django.db.models.functions import Now

from accounts.errors import Invalid
from accounts.models import AuditEntry
from integrations.domain.blackout import blackout_of
from integrations.domain.lifecycle import Trigger
from integrations.domain.misfire import Misfire, Plan
from integrations.domain.schedule import ScheduleKind, Timetable
from integrations.models import Deployment, Event, Run, Schedule
from integrations.services import integrations, schedules
from integrations.services.clock import database_now
from integrations.services.runs import cancel_run
from integrations.services.ticking import tick
from tests.runs.conftest import Bench

pytestmark = pytest.mark.fault("F34")
HOURLY = Timetable(ScheduleKind.INTERVAL, every_seconds=3600)


def set_due(deployment: Deployment, misfire: Misfire, missed: int = 1, catch_up_most: int = 100) -> datetime:
    """An hourly schedule whose last `missed` due times have come; returns the first of them."""
    schedules.set_plan(deployment=deployment, plan=Plan(HOURLY, misfire, catch_up_most))
    following = Schedule.objects.get().next_due_at
    assert following is not None
    first = following - timedelta(hours=missed)
    Schedule.objects.update(next_due_at=first)
    return first


def kinds() -> list[str]:
    return list(Event.objects.filter(kind__startswith="schedule.").order_by("id").values_list("kind", flat=True))[1:]


def ended(run: Run) -> None:
    cancel_run(run=run)


@pytest.mark.parametrize("misfire", [Misfire.ONE, Misfire.ALL])
def test_a_due_time_waits_for_the_active_run_and_says_so_once(bench: Bench, misfire: Misfire) -> None:
    active, due_at = bench.start(), set_due(bench.deployment, misfire)
    assert (tick(), tick()) == (0, 0)
    ended(active)
    assert (tick(), tick()) == (1, 0)
    assert Run.objects.get(trigger=Trigger.SCHEDULE).due_at == due_at
    assert kinds() == ["schedule.waits"]


def test_a_due_time_is_left_out_under_skip_where_a_run_is_active(bench: Bench) -> None:
    active = bench.start()
    set_due(bench.deployment, Misfire.SKIP)
    assert tick() == 0
    ended(active)
    assert (tick(), kinds()) == (0, ["schedule.left_out"])
    assert Schedule.objects.filter(next_due_at__gt=Now()).exists()


def test_one_run_catches_up_for_three_missed_times(bench: Bench) -> None:
    first = set_due(bench.deployment, Misfire.ONE, missed=3)
    assert (tick(), tick()) == (1, 0)
    assert Run.objects.get().due_at == first + timedelta(hours=2)
    assert Event.objects.get(kind="schedule.left_out").data["count"] == 2


def test_all_missed_times_run_one_after_the_other(bench: Bench) -> None:
    first = set_due(bench.deployment, Misfire.ALL, missed=3)
    for _ in range(3):
        assert tick() == 1
        assert tick() == 0
        ended(Run.objects.latest("id"))
    due = list(Run.objects.order_by("due_at").values_list("due_at", flat=True))
    assert due == [first + timedelta(hours=number) for number in range(3)]
    assert tick() == 0


def test_more_missed_times_than_may_be_caught_up_are_left_out_and_said(bench: Bench) -> None:
    first = set_due(bench.deployment, Misfire.ALL, missed=5, catch_up_most=2)
    assert tick() == 1
    said = Event.objects.get(kind="schedule.bounded")
    assert said.data["count"] == 3
    assert "at most 2 are caught up" in said.message
    assert Run.objects.get().due_at == first + timedelta(hours=3)


def test_a_due_time_that_ran_before_is_not_run_again(bench: Bench) -> None:
    due_at = set_due(bench.deployment, Misfire.ONE)
    tick()
    ended(Run.objects.get())
    Schedule.objects.update(next_due_at=due_at)
    assert (tick(), tick(), Run.objects.count()) == (0, 0, 1)


def test_many_waiting_schedules_do_not_keep_another_from_starting(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("integrations.services.ticking.DUE_AT_MOST", 1)
    bench.start()
    set_due(bench.deployment, Misfire.ONE, missed=9)
    tick()
    flow = integrations.Flow(**{name: getattr(bench.deployment.version, name) for name in FLOW})
    other = integrations.create_integration(
        workspace=bench.deployment.workspace, name="others", description="", flow=flow, user=None
    ).deployments.get()
    schedules.set_schedule(deployment=other, timetable=HOURLY)
    Schedule.objects.filter(deployment=other).update(next_due_at=database_now().replace(microsecond=0))
    assert tick() == 1
    assert Run.objects.filter(deployment=other).exists()


ALWAYS = blackout_of({"windows": [{"days": [*range(7)], "from": "00:00", "to": "00:00"}]})
FLOW = ("source", "source_stream", "destination", "destination_stream", "mapping", "write_mode")


def test_times_while_it_was_switched_off_are_not_missed(bench: Bench) -> None:
    integrations.set_enabled(deployment=bench.deployment, enabled=False)
    set_due(bench.deployment, Misfire.ALL, missed=5)
    assert tick() == 0
    integrations.set_enabled(deployment=bench.deployment, enabled=True)
    assert (tick(), Run.objects.count()) == (0, 0)


def test_a_timetable_alone_leaves_the_other_rules_as_they_are(bench: Bench) -> None:
    nights = blackout_of({"windows": [{"days": [0], "from": "22:00", "to": "06:00"}], "inside": "move"})
    schedules.set_plan(deployment=bench.deployment, plan=Plan(HOURLY, Misfire.ALL, 7, nights))
    set_again = schedules.set_schedule(
        deployment=bench.deployment, timetable=Timetable(ScheduleKind.CRON, "0 * * * *", time_zone="Asia/Tokyo")
    )
    assert (set_again.misfire, set_again.catch_up_most, set_again.blackout) == (Misfire.ALL, 7, nights.to_json())
    assert AuditEntry.objects.filter(action="schedule.set").count() == 2


@pytest.mark.parametrize(
    ("plan", "field"),
    [
        (Plan(HOURLY, catch_up_most=0), "catch_up_most"),
        (Plan(HOURLY, blackout=ALWAYS), "blackout"),
    ],
)  # fmt: skip
def test_a_plan_that_cannot_work_is_refused(bench: Bench, plan: Plan, field: str) -> None:
    with pytest.raises(Invalid) as refused:
        schedules.set_plan(deployment=bench.deployment, plan=plan)
    assert field in refused.value.fields


def test_a_time_zone_that_this_machine_lacks_keeps_no_other_schedule_waiting(bench: Bench) -> None:
    set_due(bench.deployment, Misfire.ONE)
    Schedule.objects.update(kind="cron", cron="* * * * *", time_zone="Mars/Base")
    assert tick() == 0
    assert not Run.objects.exists()


@pytest.mark.fault("F33")
def test_the_tick_reads_no_clock_but_the_database_s(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    set_due(bench.deployment, Misfire.ONE)
    monkeypatch.setattr("django.utils.timezone.now", lambda: database_now() - timedelta(hours=1))
    assert tick() == 1
