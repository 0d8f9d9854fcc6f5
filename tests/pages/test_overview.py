"""The overview: figures, curve, connectors, newest runs, and the first steps of a fresh workspace."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db.models import F
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from accounts.request_context import Actor, acting_as
from integrations.domain.lifecycle import RunState
from integrations.domain.windows import WINDOWS
from integrations.models import Connector, DeadLetter, Run
from integrations.models.connector import CheckState
from integrations.services import breakers
from integrations.services.connectors import ConnectorInput, save_connector
from integrations.services.overview import Curve, Figures
from integrations.services.overview_bars import BARS, letter_bars, slow_bars
from integrations.views import overview_figures
from integrations.views.overview_figures import Figure
from tests.pages.moving import LIVE, Moving, moving
from tests.world import World, signed_in

__all__ = ["moving"]
# As on every page: session, person, membership, the live tail's end, other workspaces. Then: is there an integration,
# the sums of two windows with the p95 of the one that has runs, letters, connectors (counted, listed), the curve, two
# kinds of bars, what is stale, rows, two counts, and open circuits.
OVERVIEW_QUERIES = 5 + 1 + 3 + 1 + 2 + 1 + 1 + 2 + 1 + 2 + 1
STREAMS = [{"name": "orders", "path": "orders"}]
HOUR = WINDOWS["1h"]
NONE, MINUS = "\N{EN DASH}", "\N{MINUS SIGN}"


def figure(moving: Moving, label: str, query: str = "") -> Figure:
    found: dict[str, Figure] = {figure.label: figure for figure in moving.page(query).context["figures"]}
    return found[label]


def test_a_fresh_workspace_is_shown_three_steps(world: World) -> None:
    text = signed_in(world.owner).get(world.url()).content.decode()
    assert "Three steps to the first run" in text
    assert world.url("connectors/new/") in text
    assert world.url("integrations/new/") in text


def test_a_step_that_is_done_is_marked(world: World) -> None:
    Connector.objects.create(workspace=world.workspace, name="shop", plugin="rest_api")
    response = signed_in(world.owner).get(world.url())
    assert response.context["steps"] == [True, False, False]


def test_a_viewer_is_told_who_takes_the_steps(world: World) -> None:
    text = signed_in(world.viewer).get(world.url()).content.decode()
    assert "Your role reads." in text
    assert "New connector" not in text


def test_another_workspace_is_not_there(moving: Moving) -> None:
    assert moving.page("", moving.world.outsider).status_code == 404
    assert moving.page("curve/", moving.world.outsider).status_code == 404


def test_the_figures_count_what_ended_in_the_window(moving: Moving) -> None:
    moving.run(good=8, bad=2)
    assert figure(moving, "Runs · 24 h").value == "1"
    assert figure(moving, "Success rate").value == "100.0"
    assert figure(moving, "Records written").value == "8"
    assert (figure(moving, "Open dead letters").value, figure(moving, "Open dead letters").delta) == ("2", "2 new")


def test_without_runs_a_rate_is_none_and_not_zero(moving: Moving) -> None:
    assert (figure(moving, "Success rate").value, figure(moving, "Success rate").unit) == (NONE, "")
    assert figure(moving, "p95 duration").value == NONE


@pytest.mark.parametrize(("query", "found"), [("?window=1h", "0"), ("?window=6h", "1"), ("?window=gone", "1")])
def test_the_window_stands_in_the_address(moving: Moving, query: str, found: str) -> None:
    moving.run()
    Run.objects.update(
        finished_at=F("finished_at") - timedelta(hours=2), started_at=F("started_at") - timedelta(hours=2)
    )
    assert next(iter(moving.page(query).context["figures"])).value == found


def test_the_curve_is_answered_for_the_live_page(moving: Moving) -> None:
    moving.run()
    curve = moving.page("curve/?window=1h").json()
    assert len(curve["x"]) == 60
    assert sum(curve["series"][0]["values"]) == 1
    assert [one["label"] for one in curve["series"]] == ["Succeeded", "Failed"]


def test_the_newest_runs_are_shown_and_those_that_failed_alone(moving: Moving) -> None:
    run, failed = moving.run(), moving.run()
    Run.objects.filter(pk=failed.pk).update(state=RunState.FAILED)
    assert [row.run for row in moving.page().context["rows"]] == [failed, run]
    assert [row.run for row in moving.page("?state=failed").context["rows"]] == [failed]
    assert "No run is retrying" in moving.text("?state=retrying")


def test_where_no_run_failed_the_page_says_so(moving: Moving) -> None:
    moving.run()
    assert "No run has failed" in moving.text("?state=failed")


def test_an_open_circuit_stands_above_all_and_is_not_called_healthy(moving: Moving) -> None:
    workspace = moving.world.workspace
    given = ConnectorInput("shop", "rest_api", {"base_url": "https://shop.example.org", "streams": STREAMS})
    with acting_as(Actor(system="test")):
        shop = save_connector(workspace=workspace, connector=None, given=given)
        breakers.trip(connector=shop)
    Connector.objects.filter(pk=shop.pk).update(check_state=CheckState.OK)
    page = moving.page()
    assert next(connector.name for connector, _ in page.context["connectors"]) == "shop"
    assert "circuit open" in page.content.decode()
    assert "healthy" not in page.content.decode()


def test_a_connector_that_fails_stands_first(moving: Moving) -> None:
    workspace = moving.world.workspace
    Connector.objects.create(workspace=workspace, name="a", plugin="files", check_state=CheckState.OK, check_ms=12)
    Connector.objects.create(workspace=workspace, name="z", plugin="files", check_state=CheckState.FAILED)
    assert [connector.name for connector, _ in moving.page().context["connectors"]] == ["z", "lists", "a"]
    assert "12 ms" in moving.text()


@pytest.mark.parametrize("part", ["figures", "connectors", "recent"])
def test_the_live_page_gets_parts(moving: Moving, part: str) -> None:
    response = moving.page(headers={**LIVE, "HX-Target": part})
    assert response.status_code == 200
    assert "<html" not in response.content.decode()


def test_the_page_asks_the_database_as_often_for_many_rows(
    moving: Moving, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    for _ in range(4):
        moving.run(good=1, bad=1)
    client = signed_in(moving.world.owner)
    with django_assert_num_queries(OVERVIEW_QUERIES):
        client.get(moving.world.url())


def test_the_bars_of_durations_show_the_slow_end(moving: Moving) -> None:
    now = timezone.now()
    for seconds in (1, 2, 9):
        run = moving.run()
        Run.objects.filter(pk=run.pk).update(finished_at=now, started_at=now - timedelta(seconds=seconds))
    bars = slow_bars(moving.world.workspace, HOUR, now)
    assert (len(bars), max(bars), sum(bars)) == (BARS, 9.0, 9.0)


def test_the_bars_of_dead_letters_count_by_time(moving: Moving) -> None:
    moving.run(good=1, bad=3)
    now = timezone.now()
    assert sum(letter_bars(moving.world.workspace, HOUR, now)) == 3
    DeadLetter.objects.update(created_at=now - timedelta(minutes=30))
    bars = letter_bars(moving.world.workspace, HOUR, now)
    assert (bars[-1], sum(bars)) == (0, 3)


BEFORE = Figures(
    runs=20, runs_change=25.0, success_percent=90.0, success_change_points=-2.0, p95_seconds=3.0,
    p95_change_seconds=-0.5, written=25_300_000, written_change=250.0, open_letters=0, failing_connectors=0,
    connectors=1,
)  # fmt: skip


def test_a_change_is_good_or_bad_by_its_figure(monkeypatch: pytest.MonkeyPatch, moving: Moving) -> None:
    monkeypatch.setattr(overview_figures, "figures_of", lambda *_: BEFORE)
    monkeypatch.setattr(overview_figures, "curve_of", lambda *_: Curve([0], [0], [0], [0]))
    found = {one.label: (one.value + one.unit, one.delta, one.delta_tone) for one in moving.page().context["figures"]}
    assert found == {
        "Runs · 24 h": ("20", "+25.0 %", ""),
        "Success rate": ("90.0%", f"{MINUS}2.0 pp", "warn"),
        "p95 duration": ("3.0 s", f"{MINUS}0.5 s", "ok"),
        "Records written": ("25.3M", "+250 %", ""),
        "Open dead letters": ("0", "", ""),
    }
