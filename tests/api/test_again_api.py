"""REST: schedules with everything beside them, chains, backfill and replay."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from rest_framework.test import APIClient

from accounts.request_context import Actor, acting_as
from integrations.domain.lifecycle import Trigger
from integrations.models import Chain, Run, Schedule
from integrations.services import integrations
from tests.schedules.tables import Tables, make_tables
from tests.world import World, token_text, with_token

MAY = {"field": "changed", "low": "2026-05-03", "high": "2026-05-06"}
NIGHTS = {"windows": [{"days": [5, 6], "from": "00:00", "to": "00:00"}], "inside": "move", "time_zone": "UTC"}
HOURLY = {"kind": "interval", "every_seconds": 3600}


@pytest.fixture
def tables(world: World, settings: Any, tmp_path: Path) -> Iterator[Tables]:
    settings.FILE_ROOT = tmp_path
    with acting_as(Actor(system="test")):
        made = make_tables(tmp_path / "acme", world.workspace, write_mode="upsert", key=("id",))
        made.work(made.start())
        yield made


def api(world: World, tables: Tables, part: str) -> str:
    return world.api_url(f"integrations/{tables.deployment.integration_id}/{part}/")


def owner(world: World) -> Any:
    return with_token(token_text(world.owner, world.workspace))


def person(world: World) -> Any:
    """The owner in a browser: some permissions no token carries."""
    client = APIClient(raise_request_exception=False)
    client.force_login(world.owner)
    return client


def test_a_schedule_is_set_whole_and_keeps_what_is_left_out(world: World, tables: Tables) -> None:
    client, address = owner(world), api(world, tables, "schedule")
    made = client.put(address, {**HOURLY, "misfire": "all", "catch_up_most": 7, "blackout": NIGHTS}, format="json")
    assert (made.status_code, made.json()["misfire"], made.json()["blackout"]) == (200, "all", NIGHTS)
    kept = client.put(address, {"kind": "cron", "cron": "0 6 * * *"}, format="json").json()
    assert (kept["catch_up_most"], kept["blackout"]) == (7, NIGHTS)
    assert client.put(address, {**HOURLY, "blackout": None}, format="json").json()["blackout"] is None
    assert Schedule.objects.count() == 1


@pytest.mark.parametrize(
    "window",
    [{"days": [9], "from": "00:00", "to": "01:00"}, {"from": "x", "to": "y"}, {"days": [1], "from": "1", "to": "2"}],
)
def test_a_window_that_is_none_is_refused(world: World, tables: Tables, window: dict[str, Any]) -> None:
    given = {**HOURLY, "blackout": {"windows": [window]}}
    assert owner(world).put(api(world, tables, "schedule"), given, format="json").status_code == 400


def test_a_chain_is_made_listed_and_removed(world: World, tables: Tables) -> None:
    flow = integrations.flow_of(tables.deployment.version)
    before = integrations.create_integration(
        workspace=world.workspace, name="before", description="", flow=flow, user=None
    )
    client, address = owner(world), api(world, tables, "chains")
    made = client.post(address, {"upstream": str(before.pk)}, format="json")
    assert (made.status_code, made.json()["upstream"]["name"]) == (201, "before")
    assert [each["id"] for each in client.get(address).json()["results"]] == [made.json()["id"]]
    assert client.delete(f"{address}{made.json()['id']}/").status_code == 204
    assert not Chain.objects.exists()
    circle = client.post(address, {"upstream": str(tables.deployment.integration_id)}, format="json")
    assert circle.status_code == 400


def test_a_backfill_is_looked_at_and_started(world: World, tables: Tables) -> None:
    client = person(world)
    seen = client.post(api(world, tables, "backfill/preview"), MAY, format="json").json()
    assert (seen["records"], seen["how"], len(seen["first"])) == (3, "counted by reading them", 3)
    made = client.post(api(world, tables, "backfill"), MAY, format="json")
    assert (made.status_code, made.json()["trigger"], made.json()["scope"]["low"]) == (202, "backfill", MAY["low"])
    assert tables.work(Run.objects.get(trigger=Trigger.BACKFILL)).read == 3


def test_a_replay_is_looked_at_and_started(world: World, tables: Tables) -> None:
    client, given = person(world), {"run": str(Run.objects.get().pk), "batch": 3}
    assert client.post(api(world, tables, "replay/preview"), given, format="json").json()["records"] == 4
    made = client.post(api(world, tables, "replay"), {**given, "goes_on": True}, format="json")
    assert made.status_code == 202
    assert tables.work(Run.objects.get(trigger=Trigger.REPLAY)).read == 4


def test_to_go_on_from_there_needs_the_permission_to_reset(world: World, tables: Tables) -> None:
    client = with_token(token_text(world.operator, world.workspace))
    given = {"run": str(Run.objects.get().pk), "batch": 3, "goes_on": True}
    assert client.post(api(world, tables, "replay"), given, format="json").status_code == 403
    tables.deployment.version.__class__.objects.update(write_mode="append")
    assert client.post(api(world, tables, "backfill"), MAY, format="json").status_code == 403
