"""Pages: the schedule of an integration, its chains, backfill and replay."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from accounts.request_context import Actor, acting_as
from integrations.domain.lifecycle import Trigger
from integrations.domain.misfire import Misfire, Plan
from integrations.domain.schedule import ScheduleKind, Timetable
from integrations.models import Chain, Run, Schedule
from integrations.services import chains, integrations, schedules
from integrations.services.ticking import tick
from tests.schedules.tables import Tables, make_tables
from tests.world import Answer, World, signed_in

HOURLY = Plan(Timetable(ScheduleKind.INTERVAL, every_seconds=3600), Misfire.ALL, 5)
FORM = {
    "schedule": "cron", "cron": "0 6 * * *", "time_zone": "Europe/Berlin", "every": "15", "every_unit": "60",
    "misfire": "all", "catch_up_most": "7", "windows": "Sat-Sun 00:00-00:00", "inside": "move",
    "windows_zone": "Europe/Berlin",
}  # fmt: skip
RANGE = {"field": "changed", "low": "2026-05-03", "high": "2026-05-06"}


@pytest.fixture
def tables(world: World, settings: Any, tmp_path: Path) -> Iterator[Tables]:
    settings.FILE_ROOT = tmp_path
    with acting_as(Actor(system="test")):
        made = make_tables(tmp_path / "acme", world.workspace)
        made.work(made.start())
        yield made


@pytest.fixture
def upserting(world: World, settings: Any, tmp_path: Path) -> Iterator[Tables]:
    settings.FILE_ROOT = tmp_path
    with acting_as(Actor(system="test")):
        made = make_tables(tmp_path / "acme", world.workspace, write_mode="upsert", key=("id",))
        made.work(made.start())
        yield made


def url(world: World, tables: Tables, part: str) -> str:
    return world.url(f"integrations/{tables.deployment.integration_id}/{part}/")


def text(answer: Answer) -> str:
    return " ".join(answer.content.decode().split())


def other(tables: Tables, name: str) -> Any:
    flow = integrations.flow_of(tables.deployment.version)
    made = integrations.create_integration(
        workspace=tables.deployment.workspace, name=name, description="", flow=flow, user=None
    )
    return made.deployments.get()


def test_a_schedule_is_set_with_everything_beside_it(world: World, tables: Tables) -> None:
    answer = signed_in(world.builder).post(url(world, tables, "schedule"), FORM)
    assert answer.status_code == 302
    stored = Schedule.objects.get()
    assert (stored.cron, stored.misfire, stored.catch_up_most) == ("0 6 * * *", "all", 7)
    assert stored.blackout is not None
    assert stored.blackout["windows"] == [{"days": [5, 6], "from": "00:00", "to": "00:00"}]
    shown = text(signed_in(world.viewer).get(url(world, tables, "schedule")))
    assert "Each gets its run, one after the other, at most 7" in shown
    assert "Sat Sun 00:00-00:00" in shown


def test_a_schedule_is_taken_away(world: World, tables: Tables) -> None:
    schedules.set_plan(deployment=tables.deployment, plan=HOURLY)
    signed_in(world.builder).post(url(world, tables, "schedule"), {"schedule": ""})
    assert not Schedule.objects.exists()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"cron": "every day"}, "is not a cron expression"),
        ({"windows": "at night"}, "is no window"),
        ({"windows_zone": "Mars/Base"}, "There is no time zone"),
        ({"windows": "every day 00:00-00:00", "inside": "skip"}, "leave no due time"),
        ({"catch_up_most": "0"}, "greater than or equal to 1"),
    ],
)
def test_a_schedule_that_cannot_work_is_refused_at_its_field(
    world: World, tables: Tables, changes: dict[str, str], words: str
) -> None:
    answer = signed_in(world.builder).post(url(world, tables, "schedule"), {**FORM, **changes})
    assert answer.status_code == 400
    assert words in text(answer)


def test_the_next_times_follow_what_is_typed(world: World, tables: Tables) -> None:
    client = signed_in(world.builder)
    times = world.url("integrations/schedule-times/")
    assert text(client.get(times, FORM)).count("06:00:00") + text(client.get(times, FORM)).count("00:00:00") >= 8
    assert "is no window" in text(client.get(times, {**FORM, "windows": "nights"}))


def test_what_was_left_out_is_told(world: World, tables: Tables) -> None:
    schedules.set_plan(deployment=tables.deployment, plan=Plan(HOURLY.table, Misfire.SKIP))
    Schedule.objects.update(next_due_at="2026-01-01T00:00:00Z")
    tick()
    assert "Left out" in text(signed_in(world.viewer).get(url(world, tables, "schedule")))


def test_a_chain_is_added_shown_at_both_ends_and_removed(world: World, tables: Tables) -> None:
    after, client = other(tables, "after"), signed_in(world.builder)
    page = world.url(f"integrations/{after.integration_id}/")
    answer = client.post(f"{page}chains/", {"upstream": tables.deployment.pk, "after_warnings": "on"})
    assert answer.status_code == 302
    assert "orders" in text(client.get(f"{page}schedule/"))
    assert "Starts after" in text(client.get(page))
    assert "Then start" in text(client.get(url(world, tables, "schedule")))
    client.post(f"{page}chains/{Chain.objects.get().pk}/remove/")
    assert not Chain.objects.exists()


def test_a_circle_is_refused_on_the_page(world: World, tables: Tables) -> None:
    after = other(tables, "after")
    chains.add_chain(deployment=after, upstream=tables.deployment, after_warnings=True, user=None)
    answer = signed_in(world.builder).post(url(world, tables, "chains"), {"upstream": after.pk})
    assert answer.status_code == 400
    assert "That would be a circle" in text(answer)


def test_a_backfill_is_looked_at_and_then_started(world: World, upserting: Tables) -> None:
    client, page = signed_in(world.operator), url(world, upserting, "backfill")
    assert '<option value="changed">' in text(client.get(page))
    seen = text(client.post(page, {**RANGE, "command": "preview"}))
    assert "counted by reading them" in seen
    assert "Start the backfill" in seen
    assert not Run.objects.filter(trigger=Trigger.BACKFILL).exists()
    assert client.post(page, {**RANGE, "command": "start"}).status_code == 302
    run = upserting.work(Run.objects.get(trigger=Trigger.BACKFILL))
    assert run.read == 3
    assert "2026-05-03" in text(client.get(world.url(f"runs/{run.pk}/")))


def test_what_doubles_needs_a_permission_and_a_tick(world: World, tables: Tables) -> None:
    page = url(world, tables, "backfill")
    start = {**RANGE, "command": "start"}
    refused = signed_in(world.operator).post(page, {**start, "understood": "on"})
    assert (refused.status_code, "checkpoint.reset" in text(refused)) == (400, True)
    admin = signed_in(world.admin)
    assert "Tick that records will be there twice" in text(admin.post(page, start))
    assert admin.post(page, {**start, "understood": "on"}).status_code == 302


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"low": "soon"}, "is no date and time"),
        ({"high": ""}, "This field is required"),
        ({"field": "x"}, "by a range"),
    ],
)
def test_a_range_that_cannot_be_read_is_refused_on_the_page(
    world: World, upserting: Tables, changes: dict[str, str], words: str
) -> None:
    answer = signed_in(world.operator).post(
        url(world, upserting, "backfill"), {**RANGE, "command": "preview", **changes}
    )
    assert answer.status_code == 400
    assert words in text(answer)


def test_a_source_that_is_away_is_said_before_anything_is_asked(world: World, upserting: Tables) -> None:
    (upserting.folder / "in.db").unlink()
    assert "There is no preview" in text(signed_in(world.operator).get(url(world, upserting, "backfill")))


def test_a_replay_is_looked_at_and_started_from_a_batch(world: World, upserting: Tables) -> None:
    client, page = signed_in(world.operator), url(world, upserting, "replay")
    run = Run.objects.get()
    assert "After batch 5" in text(client.get(page, {"run": str(run.pk)}))
    given = {"run": str(run.pk), "batch": "3"}
    assert "Start the replay" in text(client.post(page, {**given, "command": "preview"}))
    assert client.post(page, {**given, "command": "start"}).status_code == 302
    again = upserting.work(Run.objects.get(trigger=Trigger.REPLAY))
    assert again.read == 4
    assert "Replays" in text(client.get(world.url(f"runs/{again.pk}/")))


def test_to_go_on_from_there_needs_the_permission_to_reset(world: World, upserting: Tables) -> None:
    page = url(world, upserting, "replay")
    given = {"run": str(Run.objects.get().pk), "batch": "3", "goes_on": "on", "command": "start"}
    refused = signed_in(world.operator).post(page, given)
    assert (refused.status_code, "moves the cursor" in text(refused)) == (400, True)
    assert signed_in(world.admin).post(page, given).status_code == 302


def test_a_checkpoint_that_is_not_there_and_an_active_run_are_said(world: World, upserting: Tables) -> None:
    client, page = signed_in(world.operator), url(world, upserting, "replay")
    given = {"run": str(Run.objects.get().pk), "batch": "99", "command": "start"}
    assert "no batch 99" in text(client.post(page, given))
    upserting.start()
    answer = client.post(page, {**given, "batch": "3"})
    assert (answer.status_code, "has an active run" in text(answer)) == (409, True)


@pytest.mark.parametrize("part", ["schedule", "backfill", "replay"])
def test_strangers_see_nothing(world: World, tables: Tables, part: str) -> None:
    assert signed_in(world.outsider).get(url(world, tables, part)).status_code == 404


@pytest.mark.parametrize("part", ["backfill", "replay"])
def test_who_may_not_start_runs_may_not_read_again(world: World, tables: Tables, part: str) -> None:
    assert signed_in(world.viewer).get(url(world, tables, part)).status_code == 403


def test_samples_are_for_those_who_may_see_data(world: World, upserting: Tables) -> None:
    seen = text(signed_in(world.operator).post(url(world, upserting, "backfill"), {**RANGE, "command": "preview"}))
    assert ("as they are mapped" in seen) is ("Samples are shown to those who may see data" not in seen)
