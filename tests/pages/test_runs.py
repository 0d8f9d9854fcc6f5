"""The list of runs: filters, pages, rows, and the form that starts one."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db.models import F
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from integrations.domain.lifecycle import RunState
from integrations.errors import RATE_LIMITED, RetryLater
from integrations.models import Connector, Integration, Run
from integrations.services import runs
from integrations.services.overview_bars import first_id_at
from tests.pages.moving import LIVE, MARKUP, Moving, moving
from tests.world import World, signed_in

__all__ = ["moving"]
# Session, person, membership, where the live tail stands, the other workspaces; then the filter's choices and the rows.
LIST_QUERIES = 5 + 2


def shown(moving: Moving, query: str) -> list[Run]:
    return [row.run for row in moving.page(f"runs/{query}").context["rows"]]


def test_a_run_is_listed_with_what_it_moved(moving: Moving) -> None:
    run = moving.run(good=8, bad=2)
    text = moving.text("runs/")
    assert f"/runs/{run.pk}/" in text
    assert f"?state=any&amp;run={run.pk}" in text
    assert "with warnings" in text


def test_a_workspace_without_runs_says_what_a_run_is(moving: Moving) -> None:
    assert "No runs yet" in moving.text("runs/")


def test_a_viewer_is_offered_no_start(moving: Moving) -> None:
    assert "Start a run" not in moving.text("runs/", moving.world.viewer)


def test_a_filter_that_finds_nothing_offers_to_clear_it(moving: Moving) -> None:
    moving.run()
    text = moving.text("runs/?state=failed")
    assert "No run fits" in text
    assert "Clear the filters" in text


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("?state=succeeded", 2), ("?state=failed", 0), ("?state=cancelled", 1), ("?trigger=manual", 3),
        ("?trigger=schedule", 0), ("?warnings=1", 1), ("?since=1h", 3), ("?state=succeeded&warnings=1", 1),
    ],
)  # fmt: skip
def test_the_list_is_narrowed_by_its_filters(moving: Moving, query: str, found: int) -> None:
    moving.run()
    moving.run(good=1, bad=1)
    runs.cancel_run(run=moving.start())
    assert len(shown(moving, query)) == found


def test_retrying_is_a_state_of_its_own(moving: Moving) -> None:
    moving.outside.rows = [{"id": 1, "amount": "1"}]
    moving.outside.fail_read_after = [(0, RetryLater(RATE_LIMITED, "Too fast.", retry_after_seconds=600))]
    run = moving.work(moving.start())
    assert shown(moving, "?state=retrying") == [run]
    assert "next attempt" in moving.text("runs/")


def test_a_search_finds_runs_by_integration_and_by_id_as_the_jump_box_asks(moving: Moving) -> None:
    run, other = moving.run(), moving.run()
    assert shown(moving, "?q=NUMB") == [other, run]
    assert shown(moving, f"?q={str(run.pk)[-8:]}") == [run]
    assert shown(moving, f"?q={run.pk}") == [run]
    assert shown(moving, "?q=nothing") == []


def test_the_list_is_narrowed_to_an_integration(moving: Moving) -> None:
    run = moving.run()
    assert shown(moving, f"?integration={run.deployment.integration_id}") == [run]


def test_since_reads_the_time_in_the_id(moving: Moving) -> None:
    run = moving.run()
    now = timezone.now()
    assert first_id_at(now - timedelta(minutes=1)) < run.pk < first_id_at(now + timedelta(minutes=1))


@pytest.mark.parametrize("query", ["?state=gone", "?integration=x", "?since=1y", "?before=1", "?trigger='"])
def test_a_filter_that_is_none_is_refused_and_can_be_cleared(moving: Moving, query: str) -> None:
    response = moving.page(f"runs/{query}")
    assert response.status_code == 400
    assert "This filter cannot be used" in response.content.decode()


def test_an_integration_of_another_workspace_is_no_filter(moving: Moving, world: World) -> None:
    foreign = Integration.objects.create(workspace=world.other, name="foreign")
    assert moving.page(f"runs/?integration={foreign.pk}").status_code == 400


def test_the_list_is_paged_by_id_in_both_directions(moving: Moving) -> None:
    run = moving.run()
    Run.objects.bulk_create(
        Run(workspace=run.workspace, deployment=run.deployment, version=run.version, trigger="api", state="failed",
            next_attempt_at=run.next_attempt_at) for _ in range(60)
    )  # fmt: skip
    first = moving.page("runs/")
    older = moving.page(f"runs/?{first.context['older']}")
    newer = moving.page(f"runs/?{older.context['newer']}")
    assert [len(page.context["rows"]) for page in (first, older, newer)] == [50, 11, 50]
    assert [row.run.pk for row in newer.context["rows"]] == [row.run.pk for row in first.context["rows"]]
    assert first.context["newer"] == ""


def test_the_live_page_gets_the_rows_alone(moving: Moving) -> None:
    run = moving.run()
    headers = {**LIVE, "HX-Target": "runs", "HX-Trigger": "runs"}
    text = moving.page("runs/", headers=headers).content.decode()
    assert f"/runs/{run.pk}/" in text
    assert "<html" not in text


def test_names_with_markup_are_shown_as_text(moving: Moving) -> None:
    run = moving.run()
    Connector.objects.update(name=MARKUP[:80])
    Run.objects.update(error_code="x", error_message=MARKUP, state=RunState.FAILED, worker=MARKUP)
    for path in ("", "runs/", f"runs/{run.pk}/"):
        assert "<script>alert" not in moving.text(path)
        assert "<img src=x" not in moving.text(path)


def test_the_list_asks_the_database_as_often_for_many_rows(
    moving: Moving, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    for _ in range(5):
        moving.run()
    client = signed_in(moving.world.owner)
    with django_assert_num_queries(LIST_QUERIES):
        client.get(moving.world.url("runs/"))


def test_a_run_is_started_by_choosing_an_integration(moving: Moving) -> None:
    integration = moving.deployment.integration_id
    response = moving.post("runs/start/", {"integration": integration}, moving.world.operator)
    run = Run.objects.get()
    assert response.redirect_chain[-1][0] == moving.world.url(f"runs/{run.pk}/")
    assert run.requested_by == moving.world.operator


def test_a_second_run_is_refused_with_the_way_to_the_first(moving: Moving) -> None:
    run = moving.start()
    response = moving.post("runs/start/", {"integration": moving.deployment.integration_id})
    assert response.status_code == 409
    assert f"/runs/{run.pk}/" in response.content.decode()


@pytest.mark.parametrize("chosen", ["", "x", "00000000-0000-0000-0000-000000000000"])
def test_what_is_no_integration_starts_nothing(moving: Moving, chosen: str) -> None:
    response = moving.post("runs/start/", {"integration": chosen})
    assert response.status_code == 400
    assert not Run.objects.exists()


def test_the_dialog_gets_the_form_alone(moving: Moving) -> None:
    text = moving.page("runs/start/", headers={**LIVE, "HX-Target": "run-start-form"}).content.decode()
    assert "numbers" in text
    assert "<html" not in text


def test_where_nothing_can_be_started_the_form_says_so(world: World) -> None:
    text = signed_in(world.operator).get(world.url("runs/start/")).content.decode()
    assert "There is nothing to start" in text


def test_progress_of_a_running_run_is_drawn(moving: Moving) -> None:
    run = moving.start()
    Run.objects.filter(pk=run.pk).update(state=RunState.RUNNING, progress=0.42, started_at=F("created_at"))
    text = moving.text("runs/")
    assert "42 %" in text
    assert 'data-live-value="progress"' in text
