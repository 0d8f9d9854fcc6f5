"""The list of integrations: rows, filters, pages, and what each role sees."""

from __future__ import annotations

from functools import partial
from uuid import UUID

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from integrations.domain.schedule import ScheduleKind, Timetable
from integrations.services.integrations import set_enabled
from integrations.services.schedules import set_schedule
from integrations.views.name_pages import page_by_name
from tests.pages.integration_pages import letter_of, make, outside, run_of
from tests.world import World, signed_in

__all__ = ["outside"]
pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("outside")]
HTMX = {"HX-Request": "true"}


def page(world: World, query: str = "", headers: dict[str, str] | None = None) -> str:
    return signed_in(world.owner).get(world.url("integrations/") + query, headers=headers).content.decode()


def test_a_row_says_what_moves_where_how_it_went_and_when_it_runs(world: World) -> None:
    deployment = make(world.workspace)
    set_schedule(deployment=deployment, timetable=Timetable(ScheduleKind.INTERVAL, every_seconds=300))
    letter_of(run_of(deployment, "failed", written=1200, set_aside=1))
    shown = page(world)
    assert "numbers" in shown
    assert "state-failed" in shown
    assert "every 5 minutes" in shown
    assert "1\N{NARROW NO-BREAK SPACE}200" in shown
    assert f"?integration={deployment.integration_id}&amp;state=open" in shown


def test_an_empty_workspace_says_what_an_integration_is_and_offers_one_action(world: World) -> None:
    shown = page(world)
    assert "No integrations yet" in shown
    assert shown.count(world.url("integrations/new/")) == 2  # in the bar, and in the empty place


def test_a_viewer_reads_the_list_and_is_offered_nothing_that_is_denied(world: World) -> None:
    make(world.workspace)
    shown = signed_in(world.viewer).get(world.url("integrations/")).content.decode()
    assert "numbers" in shown
    assert "New integration" not in shown


def test_another_workspace_shows_none_of_them(world: World) -> None:
    make(world.workspace)
    assert "numbers" not in signed_in(world.outsider).get(f"/w/{world.other.slug}/integrations/").content.decode()


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("?q=ord", {"orders"}),
        ("?q=nightly", {"stock"}),
        ("?state=failed", {"orders"}),
        ("?state=never", {"stock", "refunds"}),
        ("?enabled=off", {"refunds"}),
        ("?enabled=on", {"orders", "stock"}),
        ("?letters=open", {"orders"}),
        ("?q=nothing-like-this", set()),
    ],
)
def test_filters_in_the_address_narrow_the_list(world: World, query: str, found: set[str]) -> None:
    letter_of(run_of(make(world.workspace, "orders"), "failed"))
    make(world.workspace, "stock", description="nightly")
    set_enabled(deployment=make(world.workspace, "refunds"), enabled=False)
    shown = page(world, query, headers=HTMX)
    assert {name for name in ("orders", "stock", "refunds") if f">{name}</a>" in shown} == found
    assert found or "No integration fits" in shown


def test_a_connector_narrows_the_list_to_what_reads_or_writes_it(world: World) -> None:
    deployment = make(world.workspace)
    shown = page(world, f"?connector={deployment.version.source_id}", headers=HTMX)
    assert ">numbers</a>" in shown


@pytest.mark.parametrize("query", ["?state=green", "?connector=7", f"?connector={UUID(int=4)}", "?enabled=maybe"])
def test_a_filter_that_does_not_exist_is_said_to_be_one(world: World, query: str) -> None:
    response = signed_in(world.owner).get(world.url("integrations/") + query)
    assert response.status_code == 400
    assert "This filter cannot be used" in response.content.decode()


def test_htmx_gets_the_rows_alone(world: World) -> None:
    make(world.workspace)
    shown = page(world, headers=HTMX)
    assert shown.lstrip().startswith("<section")
    assert 'data-live="run:*' in shown


def test_pages_go_on_and_back_by_name(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("integrations.views.integrations.page_by_name", partial(page_by_name, size=2))
    for name in ("a", "b", "c", "d", "e"):
        make(world.workspace, name)
    first, second = page(world, headers=HTMX), page(world, "?after=b", headers=HTMX)
    assert "after=b" in first
    assert "before=" not in first
    assert [name for name in "abcde" if f">{name}</a>" in second] == ["c", "d"]
    back = page(world, "?before=e", headers=HTMX)
    assert [name for name in "abcde" if f">{name}</a>" in back] == ["c", "d"]
    assert "before=c" in back


def test_names_are_text_whatever_they_hold(world: World) -> None:
    make(world.workspace, source_stream="<script>alert(1)</script>")
    shown = page(world)
    assert "<script>alert(1)" not in shown
    assert "&lt;script&gt;alert(1)" in shown


def test_the_list_asks_the_same_number_of_questions_for_one_row_and_for_many(world: World) -> None:
    client = signed_in(world.owner)
    letter_of(run_of(make(world.workspace, "one"), "failed"))
    with CaptureQueriesContext(
        connection,
    ) as few:
        client.get(world.url("integrations/"))
    for number in range(6):
        letter_of(run_of(make(world.workspace, f"more-{number}"), "succeeded"))
    with CaptureQueriesContext(connection) as many:
        client.get(world.url("integrations/"))
    assert len(many) == len(few) == 10
