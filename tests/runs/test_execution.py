"""Runs from start to end: counts, faults, resumption, fences, dead letters and redrive."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db.models.functions import Now
from django.utils import timezone

from accounts.errors import Conflict
from accounts.models import AuditEntry, Workspace
from integrations.domain.lifecycle import DeadLetterState, RunState, Trigger
from integrations.errors import (
    LEASE_LOST,
    REQUEST_REFUSED,
    TIMED_OUT,
    UNREACHABLE,
    NeedsPerson,
    RetryLater,
    StopRun,
)
from integrations.models import Connector, DeadLetter, Event, Run, RunBatch
from integrations.services import claims, dead_letters, runs
from integrations.services.connectors import file_root_of
from integrations.services.execution import execute_slice
from tests.runs.conftest import MAPPING, Bench
from tests.runs.listed import World

pytestmark = pytest.mark.django_db(transaction=True)


def rows(count: int) -> list[dict[str, object]]:
    return [{"id": number, "amount": f"{number}.50"} for number in range(count)]


def ids(world: World) -> list[int]:
    return [row["id"] for row in world.stored]


def test_a_run_moves_every_record_once_and_counts_them(bench: Bench, outside: World) -> None:
    outside.rows = rows(35)
    run = bench.work(bench.start())
    assert (run.state, run.read, run.written, run.batches) == (RunState.SUCCEEDED, 35, 35, 4)
    assert ids(outside) == list(range(35))
    assert not run.has_warnings


def test_what_cannot_be_converted_is_set_aside_with_its_reason(bench: Bench, outside: World) -> None:
    outside.rows = [*rows(30), {"id": 30, "amount": "twelve"}]
    run = bench.work(bench.start())
    letter = DeadLetter.objects.get(run=run)
    assert (run.state, run.written, run.set_aside, run.has_warnings) == (RunState.SUCCEEDED, 30, 1, True)
    assert (letter.field, "twelve" in letter.reason) == ("amount", True)
    assert dead_letters.payload_of(letter) == {"id": 30, "amount": "twelve"}
    assert "twelve" not in letter.payload


def test_what_the_filter_drops_is_counted(make_bench: Callable[..., Bench], outside: World) -> None:
    outside.rows = rows(20)
    bench = make_bench(mapping={**MAPPING, "filter": "id >= 5"})
    run = bench.work(bench.start())
    assert (run.read, run.written, run.filtered) == (20, 15, 5)


def test_a_run_fails_when_more_is_set_aside_than_the_policy_allows(
    make_bench: Callable[..., Bench], outside: World
) -> None:
    outside.rows = [{"id": number, "amount": "x" if number % 2 else "1"} for number in range(200)]
    bench = make_bench(rules={"tolerance.set_aside_percent": 10})
    run = bench.work(bench.start())
    assert (run.state, run.error_code) == (RunState.FAILED, "too_many_rejected")
    assert "50 %" in run.error_message


def test_all_records_bad_is_never_green(bench: Bench, outside: World) -> None:
    outside.rows = [{"id": 1, "amount": "x"}]
    run = bench.work(bench.start())
    assert (run.state, run.error_code) == (RunState.FAILED, "too_many_rejected")


def test_a_record_that_the_destination_refuses_is_found_and_the_others_arrive(bench: Bench, outside: World) -> None:
    outside.rows, outside.refuse = rows(30), frozenset({4, 17})
    run = bench.work(bench.start())
    assert (run.state, run.written, run.set_aside) == (RunState.SUCCEEDED, 28, 2)
    assert sorted(ids(outside)) == [number for number in range(30) if number not in {4, 17}]
    assert {dead_letters.payload_of(letter)["id"] for letter in DeadLetter.objects.all()} == {4, 17}


def test_a_busy_source_is_tried_again_from_the_checkpoint(bench: Bench, outside: World) -> None:
    outside.rows = rows(40)
    outside.fail_read_after = [(20, RetryLater(UNREACHABLE, "The source is away."))]
    run = bench.work(bench.start())
    assert (run.state, run.attempt, run.error_code) == (RunState.QUEUED, 1, "unreachable")
    Run.objects.filter(pk=run.pk).update(next_attempt_at=Now())
    run = bench.work(run)
    assert (run.state, ids(outside), run.error_code) == (RunState.SUCCEEDED, list(range(40)), "")


def test_a_run_gives_up_after_the_attempts_of_its_policy(make_bench: Callable[..., Bench], outside: World) -> None:
    outside.rows = rows(10)
    bench = make_bench(rules={"retry.attempts": 2})
    outside.fail_read_after = [(0, RetryLater(UNREACHABLE, "Away."))] * 2
    run = bench.work(bench.start())
    Run.objects.filter(pk=run.pk).update(next_attempt_at=Now())
    run = bench.work(run)
    assert (run.state, run.error_code, run.error_what_to_do != "") == (RunState.FAILED, "unreachable", True)


def test_the_wait_that_the_other_side_asked_for_is_kept(bench: Bench, outside: World) -> None:
    outside.rows = rows(10)
    outside.fail_read_after = [(0, RetryLater(UNREACHABLE, "Slow down.", retry_after_seconds=90))]
    run = bench.work(bench.start())
    assert timedelta(seconds=80) < run.next_attempt_at - timezone.now() <= timedelta(seconds=90)


def test_what_a_person_must_mend_fails_the_run_at_once(bench: Bench, outside: World) -> None:
    outside.rows = rows(30)
    outside.fail_read_after = [(20, NeedsPerson(REQUEST_REFUSED, "The path is wrong."))]
    run = bench.work(bench.start())
    assert (run.state, run.error_code, run.cursor) == (RunState.FAILED, "request_refused", {"row": 20})
    assert Event.objects.filter(run_id=run.pk, kind="run.failed", level="error").exists()


def test_a_failed_run_is_continued_from_its_checkpoint(bench: Bench, outside: World) -> None:
    outside.rows = rows(40)
    outside.fail_read_after = [(20, NeedsPerson(REQUEST_REFUSED, "The path is wrong."))]
    failed = bench.work(bench.start())
    run = bench.work(bench.start(Trigger.RETRY, continues=failed))
    assert (run.state, run.read, ids(outside)) == (RunState.SUCCEEDED, 20, list(range(40)))


@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_worker_that_dies_around_the_write_loses_and_doubles_nothing(
    bench: Bench, outside: World, moment: str
) -> None:
    outside.rows = [*rows(39), {"id": 39, "amount": "bad"}]
    outside.fail_write = [(moment, KeyboardInterrupt())]
    run = bench.start()
    with pytest.raises(KeyboardInterrupt):
        execute_slice(run_id=run.pk, worker="dies")
    Run.objects.filter(pk=run.pk).update(lease_until=Now() - timedelta(seconds=1))
    run = bench.work(run)
    assert (run.state, run.read, run.written, run.set_aside) == (RunState.SUCCEEDED, 40, 39, 1)
    assert ids(outside) == list(range(39))
    assert DeadLetter.objects.filter(run=run).count() == 1
    assert list(RunBatch.objects.filter(run=run).values_list("number", "state")) == [
        (number, "committed") for number in range(1, 5)
    ]


def test_a_stale_worker_cannot_move_the_checkpoint(bench: Bench, outside: World) -> None:
    outside.rows = rows(10)
    run = bench.start()
    stale = claims.claim_run(run_id=run.pk, worker="first")
    Run.objects.filter(pk=run.pk).update(lease_until=Now() - timedelta(seconds=1))
    fresh = claims.claim_run(run_id=run.pk, worker="second")
    assert stale is not None
    assert fresh is not None
    assert fresh.fence > stale.fence
    with pytest.raises(StopRun) as refused:
        claims.succeed_run(stale, warnings=[])
    assert refused.value.code == LEASE_LOST


def test_a_letter_of_a_batch_that_is_not_settled_yet_cannot_be_redriven(bench: Bench, outside: World) -> None:
    outside.rows = [*rows(30), {"id": 30, "amount": "twelve"}]
    run = bench.work(bench.start())
    RunBatch.objects.filter(run=run, number=4).update(state="prepared")
    with pytest.raises(Conflict):
        dead_letters.redrive(deployment=bench.deployment, letter_ids=None, user=None)
    assert DeadLetter.objects.get().state == DeadLetterState.OPEN


@pytest.mark.fault("F11")
def test_a_second_delivery_of_the_message_finds_nothing_to_claim(bench: Bench, outside: World) -> None:
    run = bench.start()
    assert claims.claim_run(run_id=run.pk, worker="first") is not None
    assert execute_slice(run_id=run.pk, worker="second") is None


def test_a_defect_in_a_connector_fails_the_run_and_is_not_swallowed(bench: Bench, outside: World) -> None:
    outside.rows = rows(10)
    outside.fail_read_after = [(0, ZeroDivisionError())]
    run = bench.start()
    with pytest.raises(ZeroDivisionError):
        execute_slice(run_id=run.pk, worker="test")
    run.refresh_from_db()
    assert (run.state, run.error_code) == (RunState.FAILED, "internal_error")


def test_a_cancelled_run_keeps_its_checkpoint(bench: Bench, outside: World, settings: object) -> None:
    outside.rows = rows(30)
    run = bench.start()
    runs.cancel_run(run=run)
    assert (run.state, execute_slice(run_id=run.pk, worker="test")) == (RunState.CANCELLED, None)
    with pytest.raises(Conflict):
        runs.cancel_run(run=run)


def test_a_slice_hands_the_run_back_and_the_next_one_goes_on(
    bench: Bench, outside: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    outside.rows = rows(30)
    run = bench.start()
    assert execute_slice(run_id=run.pk, worker="drains", draining=lambda: True) is RunState.RUNNING
    run = bench.work(run)
    assert (run.state, ids(outside), outside.reads) == (RunState.SUCCEEDED, list(range(30)), [0, 10])


def test_only_one_run_of_a_deployment_is_active(bench: Bench, outside: World) -> None:
    bench.start()
    with pytest.raises(Conflict, match="active run"):
        bench.start()


def test_an_incremental_run_goes_on_where_the_last_one_ended(make_bench: Callable[..., Bench], outside: World) -> None:
    bench = make_bench(read_mode="incremental", cursor_field="id")
    outside.rows = rows(20)
    bench.work(bench.start())
    outside.rows = rows(25)
    run = bench.work(bench.start())
    assert (run.read, ids(outside)) == (5, list(range(25)))


def test_events_of_a_run_are_numbered_without_a_gap(bench: Bench, outside: World) -> None:
    outside.rows = rows(30)
    run = bench.work(bench.start())
    numbers = list(Event.objects.filter(run_id=run.pk).order_by("id").values_list("seq", flat=True))
    assert numbers == list(range(1, len(numbers) + 1))
    assert run.seq == len(numbers)


def test_a_start_stands_in_the_audit_log(bench: Bench, outside: World) -> None:
    run = bench.start()
    entry = AuditEntry.objects.get(action="run.started")
    assert entry.object_id == str(run.pk)


def test_a_stream_without_a_record_that_tells_its_columns_is_empty(bench: Bench, outside: World) -> None:
    outside.has_schema = False
    run = bench.work(bench.start())
    assert (run.state, run.read, run.batches) == (RunState.SUCCEEDED, 0, 0)


def test_a_workspace_cannot_reach_the_files_of_another(connector: Connector, tmp_path: Path, settings: Any) -> None:
    settings.FILE_ROOT = tmp_path
    other = Workspace.objects.create(slug="other", name="Other")
    assert file_root_of(connector.workspace) == tmp_path / "acme"
    assert file_root_of(other) == tmp_path / "other"


def test_a_run_that_succeeds_says_that_its_connectors_work(bench: Bench, outside: World, connector: Connector) -> None:
    outside.rows = rows(5)
    bench.work(bench.start())
    connector.refresh_from_db()
    assert (connector.check_state, connector.check_state_since is not None) == ("ok", True)
    checked_at = connector.checked_at
    bench.work(bench.start())
    connector.refresh_from_db()
    assert connector.checked_at == checked_at


@pytest.mark.fault("F26")
def test_redrive_sends_the_dead_letters_again_and_settles_them(bench: Bench, outside: World) -> None:
    outside.rows, outside.refuse = rows(20), frozenset({4, 17})
    bench.work(bench.start())
    outside.refuse = frozenset({17})
    run = bench.work(dead_letters.redrive(deployment=bench.deployment, letter_ids=None, user=None))
    assert (run.state, run.read, run.written, run.set_aside) == (RunState.SUCCEEDED, 2, 1, 1)
    states = list(DeadLetter.objects.order_by("id").values_list("state", flat=True))
    assert states == [DeadLetterState.REDRIVEN, DeadLetterState.REDRIVEN, DeadLetterState.OPEN]
    assert 4 in ids(outside)


def test_a_redrive_of_an_incremental_integration_reads_its_letters_and_leaves_the_checkpoint(
    make_bench: Callable[..., Bench], outside: World
) -> None:
    bench = make_bench(read_mode="incremental", cursor_field="id")
    outside.rows, outside.refuse = rows(20), frozenset({4})
    bench.work(bench.start())
    bench.deployment.refresh_from_db()
    before, outside.refuse = bench.deployment.cursor, frozenset()
    run = bench.work(dead_letters.redrive(deployment=bench.deployment, letter_ids=None, user=None))
    assert (run.state, run.read, run.written) == (RunState.SUCCEEDED, 1, 1)
    bench.deployment.refresh_from_db()
    assert before is not None
    assert bench.deployment.cursor == before


def test_letters_of_a_redrive_that_fails_are_open_again(bench: Bench, outside: World) -> None:
    outside.rows, outside.refuse = rows(20), frozenset({4})
    bench.work(bench.start())
    outside.fail_write = [("before", NeedsPerson(REQUEST_REFUSED, "No."))]
    run = bench.work(dead_letters.redrive(deployment=bench.deployment, letter_ids=None, user=None))
    assert (run.state, DeadLetter.objects.get().state) == (RunState.FAILED, DeadLetterState.OPEN)


def test_a_redrive_of_nothing_is_refused(bench: Bench, outside: World) -> None:
    with pytest.raises(Conflict, match="can be redriven"):
        dead_letters.redrive(deployment=bench.deployment, letter_ids=[], user=None)
    assert not Run.objects.exists()


@pytest.mark.parametrize(("minutes_before", "state"), [(0, RunState.SUCCEEDED), (61, RunState.FAILED)])
def test_how_long_a_run_took_is_told_by_the_database_s_clock_and_not_by_a_worker_s(
    make_bench: Callable[..., Bench], outside: World, monkeypatch: pytest.MonkeyPatch, minutes_before: int, state: str
) -> None:
    outside.rows = rows(5)
    bench = make_bench(rules={"timeout.run_seconds": 3600})
    run = bench.start()
    Run.objects.filter(pk=run.pk).update(started_at=Now() - timedelta(minutes=minutes_before))
    now = time.time()
    monkeypatch.setattr("time.time", lambda: now + 7200)
    assert (bench.work(run).state, run.error_code) == (state, TIMED_OUT if state == RunState.FAILED else "")


def test_the_progress_of_a_redrive_goes_on_from_slice_to_slice(
    bench: Bench, outside: World, monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    outside.rows = [*({"id": number, "amount": "twelve"} for number in range(4)), *rows(200)]
    bench.work(bench.start())
    for letter in DeadLetter.objects.all():
        dead_letters.edit(letter=letter, record={"id": 1, "amount": "12"}, user=None)
    monkeypatch.setattr("integrations.services.redriven.BATCH_LETTERS", 1)
    settings.SLICE_SECONDS = 0
    redriven = dead_letters.redrive(deployment=bench.deployment, letter_ids=None, user=None)
    assert [bench.work(redriven, slices=1).progress for _ in range(3)] == [0.25, 0.5, 0.75]
