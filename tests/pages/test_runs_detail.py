"""One run: its verdict, counts, batches and log, and what can be done to it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from django.db import transaction
from django.db.models import F

from integrations.domain.lifecycle import BatchState, RunState, Trigger
from integrations.errors import RATE_LIMITED, SOURCE_CHANGED, UNREACHABLE, NeedsPerson, RetryLater
from integrations.models import Run, RunBatch
from integrations.services import claims, dead_letters, integrations, runs
from integrations.views.runs_speed import left_words, pace
from tests.pages.moving import LIVE, Moving, moving
from tests.world import World

__all__ = ["moving"]
START = datetime(2026, 1, 1, tzinfo=UTC)


def failed(moving: Moving, after: int = 10) -> Run:
    moving.outside.rows = [{"id": number, "amount": "1"} for number in range(20)]
    moving.outside.fail_read_after = [
        (after, NeedsPerson(SOURCE_CHANGED, "A column is gone.", what_to_do="Put it back."))
    ]
    return moving.work(moving.start())


def test_a_run_that_succeeded_adds_up(moving: Moving) -> None:
    run = moving.run(good=18, bad=2)
    text = moving.text(f"runs/{run.pk}/")
    assert "All 20 records that were read are accounted for." in text
    assert "2 were set aside" in text
    assert "Look at the dead letters" in text


def test_a_run_of_nothing_says_that_there_was_nothing(moving: Moving) -> None:
    run = moving.run(good=0)
    assert "There was nothing to move" in moving.text(f"runs/{run.pk}/")


def test_a_failed_run_says_what_happened_what_to_do_and_offers_one_button(moving: Moving) -> None:
    run = failed(moving)
    text = moving.text(f"runs/{run.pk}/")
    assert "A column is gone." in text
    assert "Put it back." in text
    assert "Continue from the checkpoint" in text
    assert "Start again" not in text


def test_a_run_that_changed_columns_stopped_leads_to_the_change_first(moving: Moving) -> None:
    run = moving.start()
    Run.objects.filter(pk=run.pk).update(
        state=RunState.FAILED, error_code="schema_drifted", error_message="It is text."
    )
    text = moving.text(f"runs/{run.pk}/")
    assert f"integrations/{moving.deployment.integration_id}/columns/" in text
    assert text.index("Look at the change") < text.index("Start again")


def test_a_run_that_a_limit_keeps_back_waits_and_leads_to_the_limits(moving: Moving) -> None:
    run = moving.start()
    words = "What a hand opened, a hand must close."
    Run.objects.filter(pk=run.pk).update(
        error_code="breaker_open", error_message="It is open.", error_what_to_do=words, waits_for="breaker"
    )
    text = moving.text(f"runs/{run.pk}/")
    assert words in text
    assert "waiting" in text
    assert "Open budgets and breakers" in text
    assert "tries again by itself" not in text
    assert "there is room again" not in text


def test_a_run_that_failed_at_once_can_only_start_again(moving: Moving) -> None:
    run = failed(moving, after=0)
    text = moving.text(f"runs/{run.pk}/")
    assert "Start again" in text
    assert "Continue from the checkpoint" not in text


def test_a_viewer_sees_the_run_and_no_button(moving: Moving) -> None:
    text = moving.text(f"runs/{failed(moving).pk}/", moving.world.viewer)
    assert "A column is gone." in text
    assert "Continue from the checkpoint" not in text
    assert "Your role does not show the log of runs" in text
    assert "Batch 1:" not in text


@pytest.mark.parametrize("path", ["", "curve/", "batches/", "log/"])
def test_a_run_of_another_workspace_is_not_there(moving: Moving, world: World, path: str) -> None:
    run = moving.run()
    assert moving.page(f"runs/{run.pk}/{path}", world.outsider).status_code == 404
    assert moving.page(f"runs/{uuid4()}/{path}").status_code == 404


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({}, "It waits for a worker."),
        ({"state": "running", "batches": 3}, "It is at work on batch 4."),
        ({"state": "running", "cancel_requested": True}, "It stops after the batch"),
        ({"attempt": 2, "error_message": "Too fast."}, "Too fast."),
        ({"state": "cancelled"}, "before it wrote anything"),
        ({"state": "cancelled", "batches": 2}, "after batch 2"),
        ({"state": "failed"}, "It failed."),
        ({"state": "succeeded", "read": 1, "written": 1, "has_warnings": True}, "Its log has warnings."),
        ({"state": "succeeded", "read": 1, "written": 1}, "The one record"),
    ],
)
def test_each_state_has_its_sentence(moving: Moving, changes: dict[str, object], sentence: str) -> None:
    run = moving.start()
    Run.objects.filter(pk=run.pk).update(started_at=F("created_at"), **changes)
    assert sentence in moving.text(f"runs/{run.pk}/")


def test_warnings_stand_in_the_head(moving: Moving) -> None:
    run = moving.run()
    with transaction.atomic():
        runs.tell(run, "run.warning", "The source gave no records.", level="warning")
    Run.objects.filter(pk=run.pk).update(has_warnings=True)
    assert "The source gave no records." in moving.page(f"runs/{run.pk}/").context["warnings"]


def test_continue_goes_on_from_the_checkpoint(moving: Moving) -> None:
    run = failed(moving)
    response = moving.post(f"runs/{run.pk}/continue/", user=moving.world.operator)
    following = Run.objects.get(continues=run)
    assert response.redirect_chain[-1][0].endswith(f"/runs/{following.pk}/")
    assert moving.work(following).state == RunState.SUCCEEDED
    assert [row["id"] for row in moving.outside.stored] == list(range(20))
    assert "It goes on in" in moving.text(f"runs/{run.pk}/")
    assert str(run.pk) in moving.text(f"runs/{following.pk}/")


def test_what_did_not_fail_is_not_continued(moving: Moving) -> None:
    run = moving.run()
    response = moving.post(f"runs/{run.pk}/continue/")
    assert "only a failed or cancelled one can be retried" in response.content.decode()
    assert Run.objects.count() == 1


def test_a_run_beside_an_active_one_is_refused_with_the_way_to_it(moving: Moving) -> None:
    run = failed(moving)
    active = moving.start()
    text = moving.post(f"runs/{run.pk}/continue/").content.decode()
    assert f'<a href="/w/acme/runs/{active.pk}/">Open the active run</a>' in text


def test_a_queued_run_is_cancelled_at_once(moving: Moving) -> None:
    run = moving.start()
    response = moving.post(f"runs/{run.pk}/cancel/", user=moving.world.operator)
    run.refresh_from_db()
    assert run.state == RunState.CANCELLED
    assert "is cancelled" in response.content.decode()


def test_a_running_run_stops_after_its_batch(moving: Moving) -> None:
    run = moving.start()
    claims.claim_run(run_id=run.pk, worker="other")
    assert "stops after the batch" in moving.post(f"runs/{run.pk}/cancel/").content.decode()


def test_what_has_ended_cannot_be_cancelled(moving: Moving) -> None:
    run = moving.run()
    assert "has ended already" in moving.post(f"runs/{run.pk}/cancel/").content.decode()


@pytest.mark.parametrize("action", ["cancel", "continue"])
def test_an_address_that_changes_something_takes_no_get(moving: Moving, action: str) -> None:
    assert moving.page(f"runs/{moving.run().pk}/{action}/").status_code == 405


def test_a_redrive_offers_no_second_start(moving: Moving) -> None:
    moving.run(good=1, bad=1)
    run = dead_letters.redrive(deployment=moving.deployment, letter_ids=None, user=None)
    moving.work(run)
    Run.objects.filter(pk=run.pk).update(state=RunState.FAILED, set_aside=0, read=F("written"))
    assert "Start again" not in moving.text(f"runs/{run.pk}/")
    assert run.trigger == Trigger.REDRIVE


@pytest.mark.parametrize(("part", "words"), [("run-head", "accounted for"), ("run-facts", "Guarantee")])
def test_the_live_page_gets_parts(moving: Moving, part: str, words: str) -> None:
    run = moving.run()
    text = moving.page(f"runs/{run.pk}/", headers={**LIVE, "HX-Target": part}).content.decode()
    assert words in text
    assert "<html" not in text


def test_batches_link_to_their_dead_letters(moving: Moving) -> None:
    run = moving.run(good=15, bad=5)
    text = moving.text(f"runs/{run.pk}/batches/")
    assert f"run={run.pk}&amp;batch=2" in text


def test_cursors_are_shown_to_those_who_may_see_samples(moving: Moving) -> None:
    run = moving.run(good=15)
    cursor = "{&quot;row&quot;: 10}"
    assert cursor in moving.text(f"runs/{run.pk}/batches/", moving.world.builder)
    assert cursor not in moving.text(f"runs/{run.pk}/batches/", moving.world.operator)
    assert "{&quot;row&quot;: 15}" not in moving.text(f"runs/{run.pk}/", moving.world.operator)


def add_batches(run: Run, count: int) -> None:
    RunBatch.objects.filter(run=run).delete()
    RunBatch.objects.bulk_create(
        RunBatch(
            run=run, number=number, state=BatchState.COMMITTED, cursor={}, read=100, written=100, set_aside=0,
            filtered=0, progress=number / count / 2, committed_at=START + timedelta(seconds=number),
        )
        for number in range(1, count + 1)
    )  # fmt: skip
    Run.objects.filter(pk=run.pk).update(started_at=START, batches=count)


def test_batches_are_paged_by_number(moving: Moving) -> None:
    run = moving.run()
    add_batches(run, 60)
    first = moving.page(f"runs/{run.pk}/batches/").context
    second = moving.page(f"runs/{run.pk}/batches/?before={first['older_batches']}").context
    numbers = [row.batch.number for page in (first, second) for row in page["batches"]]
    assert numbers == list(range(60, 40, -1))


@pytest.mark.parametrize("before", ["x", "-1", "9" * 30, "²"])
def test_a_place_that_is_none_shows_the_newest_batches(moving: Moving, before: str) -> None:
    run = moving.run(good=15)
    assert len(moving.page(f"runs/{run.pk}/batches/?before={before}").context["batches"]) == 2


def test_the_curve_is_records_a_second_by_batch(moving: Moving) -> None:
    run = moving.run()
    add_batches(run, 10)
    curve = moving.page(f"runs/{run.pk}/curve/").json()
    assert curve["series"][0]["values"] == [100.0] * 10
    assert curve["x"][0] == START.timestamp() + 1


def test_many_batches_are_drawn_together(moving: Moving) -> None:
    run = moving.run()
    add_batches(run, 500)
    curve = moving.page(f"runs/{run.pk}/curve/").json()
    assert (len(curve["x"]), set(curve["series"][0]["values"])) == (167, {100.0})


def test_a_working_run_shows_its_pace_and_its_end(moving: Moving) -> None:
    run = moving.run()
    add_batches(run, 10)
    Run.objects.filter(pk=run.pk).update(state=RunState.RUNNING, progress=0.5)
    text = moving.text(f"runs/{run.pk}/")
    assert "100 records/s" in text
    assert "about 10 s left" in text


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        ([], (None, None)),
        ([(1, 50, None)], (50, None)),
        ([(2, 50, 0.5)], (25, 2.0)),
        ([(0, 50, 0.5)], (None, None)),
        ([(1, 999, 0.2), (3, 60, 0.4), (5, 60, 0.6)], (30, 4.0)),
    ],
)
def test_the_pace_is_of_the_last_batches(
    steps: list[tuple[int, int, float | None]], expected: tuple[int | None, float | None]
) -> None:
    found = pace(START, [(START + timedelta(seconds=at), count, far) for at, count, far in steps])
    assert found.per_second == expected[0]
    assert found.left_seconds == (None if expected[1] is None else pytest.approx(expected[1]))


@pytest.mark.parametrize(("seconds", "words"), [(0.2, "1 s"), (42, "42 s"), (150, "2 min"), (9000, "2 h")])
def test_what_is_left_is_said_roughly(seconds: float, words: str) -> None:
    assert left_words(seconds) == words


def test_the_log_goes_on_after_the_last_line(moving: Moving) -> None:
    run = moving.run()
    shown = moving.page(f"runs/{run.pk}/").context["last_seq"]
    with transaction.atomic():
        runs.tell(run, "run.warning", "Something new.", level="warning")
    text = moving.text(f"runs/{run.pk}/log/?after={shown}")
    assert text.count('class="log-line"') == 1
    assert "Something new." in text
    assert f'value="{shown + 1}" hx-swap-oob="true"' in text


def test_without_a_new_line_the_log_stays_where_it_is(moving: Moving) -> None:
    run = moving.run()
    text = moving.text(f"runs/{run.pk}/log/?after=5000")
    assert 'class="log-line"' not in text
    assert 'value="5000"' in text


def test_a_long_log_shows_its_end_and_offers_the_rest(moving: Moving) -> None:
    run = moving.run()
    with transaction.atomic():
        for number in range(230):
            runs.tell(run, "run.note", f"Line {number}.")
    first = moving.page(f"runs/{run.pk}/").context
    older = moving.page(f"runs/{run.pk}/log/?before={first['older_seq']}").context
    assert [len(first["lines"]), older["older_seq"]] == [200, None]
    assert older["lines"][-1].seq == first["lines"][0].seq - 1


def test_the_log_is_not_for_a_viewer(moving: Moving) -> None:
    run = moving.run()
    assert moving.page(f"runs/{run.pk}/log/?after=0", moving.world.viewer).status_code == 403


@pytest.mark.parametrize(("code", "words"), [(RATE_LIMITED, "It goes on"), (UNREACHABLE, "Attempt 2 begins")])
def test_a_run_that_waits_says_when_it_tries_again(moving: Moving, code: str, words: str) -> None:
    moving.outside.rows = [{"id": 1, "amount": "1"}]
    moving.outside.fail_read_after = [(0, RetryLater(code, "Not now.", retry_after_seconds=600))]
    run = moving.work(moving.start())
    assert words in moving.text(f"runs/{run.pk}/")


def test_a_version_that_reads_something_else_is_not_continued(moving: Moving) -> None:
    run = failed(moving)
    version = moving.deployment.version
    flow = integrations.Flow(
        version.source, "other", version.destination, "rows_out", mapping=version.mapping, write_mode="append"
    )
    made = integrations.add_version(integration=moving.deployment.integration, flow=flow, user=None)
    integrations.activate_version(deployment=moving.deployment, version=made)
    assert "reads something else" in moving.post(f"runs/{run.pk}/continue/").content.decode()
