"""A run that ends with a batch prepared: the next run counts it where the destination has it, and else forgets it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pyarrow as pa
import pytest
from django.db import transaction
from django.db.models.functions import Now

from accounts.errors import Conflict
from integrations.connectors.base import Commit, Context, WriteMode, WriteRequest
from integrations.domain.lifecycle import BatchState, DeadLetterState, RunState
from integrations.errors import StopRun
from integrations.models import DeadLetter, Event, Run, RunBatch
from integrations.services import dead_letters, integrations, leftovers, runs
from integrations.services.backfills import Checkpoint, start_replay
from integrations.services.continuation import continue_run
from integrations.services.execution import execute_slice
from integrations.services.owners import left_prepared
from monitoring.services.metrics import render_metrics
from tests.runs.conftest import Bench, bench, connector, make_bench, outside, workspace
from tests.runs.listed import SCHEMA, Listed, World

__all__ = ["bench", "connector", "make_bench", "outside", "workspace"]
pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.fault("F4", "F43")]
ROWS = [{"id": number, "amount": "bad" if number == 3 else "1"} for number in range(30)]


def redrive(bench: Bench) -> Run:
    return dead_letters.redrive(deployment=bench.deployment, letter_ids=None, user=None)


@pytest.fixture
def incremental(make_bench: Callable[..., Bench], outside: World) -> Bench:
    outside.rows = list(ROWS)
    return make_bench(read_mode="incremental", cursor_field="id")


def cancelled_around_the_write(bench: Bench, outside: World, moment: str) -> Run:
    """A run whose worker died before or after its first write, and which somebody cancelled then."""
    return cancelled_in(bench.start(), outside, moment)


def cancelled_in(run: Run, outside: World, moment: str) -> Run:
    outside.fail_write = [(moment, KeyboardInterrupt())]
    with pytest.raises(KeyboardInterrupt):
        execute_slice(run_id=run.pk, worker="dies")
    Run.objects.filter(pk=run.pk).update(lease_until=Now() - timedelta(seconds=1))
    return runs.cancel_run(run=run)


def test_what_did_not_arrive_is_forgotten_and_read_again(incremental: Bench, outside: World) -> None:
    first = cancelled_around_the_write(incremental, outside, "before")
    run = incremental.work(incremental.start())
    assert (run.state, run.read, run.written, run.set_aside) == (RunState.SUCCEEDED, 30, 29, 1)
    assert DeadLetter.objects.get().run_id == run.pk
    assert not RunBatch.objects.filter(run=first).exists()


def test_what_did_arrive_is_counted_for_its_own_run(incremental: Bench, outside: World) -> None:
    first = cancelled_around_the_write(incremental, outside, "after")
    run = incremental.work(incremental.start())
    first.refresh_from_db()
    assert (first.state, first.read, first.written, first.set_aside) == (RunState.CANCELLED, 10, 9, 1)
    assert (run.state, run.read, len(outside.stored)) == (RunState.SUCCEEDED, 20, 29)
    assert DeadLetter.objects.get().run_id == first.pk
    assert Event.objects.filter(run_id=first.pk, kind="run.settled").count() == 1


def test_metrics_count_the_letters_of_a_batch_once_it_counts(incremental: Bench, outside: World) -> None:
    cancelled_around_the_write(incremental, outside, "before")
    assert DeadLetter.objects.count() == 1
    assert b'signalbox_dead_letters{state="open"} 0.0' in render_metrics()
    incremental.work(incremental.start())
    assert b'signalbox_dead_letters{state="open"} 1.0' in render_metrics()


@pytest.mark.parametrize(("moment", "read"), [("before", 2), ("after", 0)])
def test_a_redrive_sends_no_letter_that_an_earlier_one_has_brought(
    incremental: Bench, outside: World, moment: str, read: int
) -> None:
    outside.rows = [{"id": number, "amount": "bad"} for number in range(2)]
    incremental.work(incremental.start())
    for letter in DeadLetter.objects.all():
        dead_letters.edit(letter=letter, record={"id": 1, "amount": "1"}, user=None)
    first = cancelled_in(redrive(incremental), outside, moment)
    assert set(DeadLetter.objects.values_list("state", flat=True)) == {DeadLetterState.OPEN}
    second = incremental.work(redrive(incremental))
    first.refresh_from_db()
    assert (first.read, second.read, len(outside.stored)) == (2 - read, read, 2)
    assert (second.state, second.error_code) == (RunState.SUCCEEDED, "")
    assert set(DeadLetter.objects.values_list("state", flat=True)) == {DeadLetterState.REDRIVEN}
    assert not RunBatch.objects.filter(state=BatchState.PREPARED).exists()


def test_what_is_left_of_a_range_is_settled_by_the_run_that_continues_it(incremental: Bench, outside: World) -> None:
    first_read = incremental.work(incremental.start())
    replay = start_replay(
        deployment=incremental.deployment, checkpoint=Checkpoint(first_read, 0), goes_on=False, user=None
    )
    cancelled_in(replay, outside, "after")
    run = incremental.work(continue_run(run=replay, user=None))
    replay.refresh_from_db()
    assert (replay.read, run.read, len(outside.stored)) == (10, 20, 58)
    assert not RunBatch.objects.filter(state=BatchState.PREPARED).exists()


def test_a_run_that_continues_a_continuation_goes_on_from_what_the_first_one_brought(
    bench: Bench, outside: World
) -> None:
    outside.rows = list(ROWS)
    first = cancelled_around_the_write(bench, outside, "after")
    second = cancelled_in(continue_run(run=first, user=None), outside, "before")
    third = bench.work(continue_run(run=second, user=None))
    assert (third.state, third.read, [row["id"] for row in outside.stored]) == (
        RunState.SUCCEEDED, 20, [number for number in range(30) if number != 3],
    )  # fmt: skip


def reset(bench: Bench) -> None:
    integrations.reset_checkpoint(deployment=bench.deployment, reason="read it all again")


@pytest.mark.parametrize(("moment", "counted"), [("before", (0, 0, 0)), ("after", (10, 9, 1))])
def test_after_a_reset_the_old_checkpoint_says_what_had_arrived(
    incremental: Bench, outside: World, moment: str, counted: tuple[int, int, int]
) -> None:
    first = cancelled_around_the_write(incremental, outside, moment)
    reset(incremental)
    run = incremental.work(incremental.start())
    first.refresh_from_db()
    assert (first.read, first.written, first.set_aside, run.read, run.set_aside) == (*counted, 30, 1)
    assert DeadLetter.objects.filter(run=first).count() == first.set_aside
    assert not RunBatch.objects.filter(state=BatchState.PREPARED).exists()


def test_a_worker_that_wakes_after_a_reset_is_kept_out(incremental: Bench, outside: World) -> None:
    first = cancelled_around_the_write(incremental, outside, "before")
    request = WriteRequest("rows_out", SCHEMA, WriteMode.APPEND, (), f"{first.deployment_id}:0", fence=1)
    with Listed(Context({})).open_writer(request) as late:
        reset(incremental)
        incremental.work(incremental.start())
        with pytest.raises(StopRun):
            late.write(pa.RecordBatch.from_pylist([], schema=SCHEMA), Commit(str(first.pk), 1, {"row": 10}))


def test_a_run_whose_checkpoint_was_reset_is_not_continued(incremental: Bench, outside: World) -> None:
    first = cancelled_around_the_write(incremental, outside, "after")
    reset(incremental)
    with pytest.raises(Conflict, match="checkpoint was reset since"):
        continue_run(run=first, user=None)


def test_a_backfill_goes_on_from_its_own_checkpoint_after_a_reset(incremental: Bench, outside: World) -> None:
    whole = incremental.work(incremental.start())
    replay = start_replay(deployment=incremental.deployment, checkpoint=Checkpoint(whole, 0), goes_on=False, user=None)
    cancelled_in(replay, outside, "after")
    reset(incremental)
    incremental.work(incremental.start())
    run = incremental.work(continue_run(run=replay, user=None))
    assert (run.state, run.read, Run.objects.get(pk=replay.pk).read) == (RunState.SUCCEEDED, 20, 10)


def write_elsewhere(bench: Bench) -> None:
    flow = replace(integrations.flow_of(bench.deployment.version), destination_stream="other_rows_out")
    version = integrations.add_version(integration=bench.deployment.integration, flow=flow, user=None)
    bench.deployment = integrations.activate_version(deployment=bench.deployment, version=version)


def test_what_was_left_for_another_destination_is_closed_and_said(incremental: Bench, outside: World) -> None:
    first = cancelled_around_the_write(incremental, outside, "before")
    write_elsewhere(incremental)
    run = incremental.work(incremental.start())
    assert (run.state, run.read, run.set_aside) == (RunState.SUCCEEDED, 30, 1)
    assert [letter.run_id for letter in DeadLetter.objects.all()] == [run.pk]
    assert not RunBatch.objects.filter(state=BatchState.PREPARED).exists()
    assert "another destination" in Event.objects.get(run_id=first.pk, kind="run.superseded").message


def test_a_letter_whose_redrive_went_to_another_destination_can_be_corrected_after_the_next_one(
    incremental: Bench, outside: World
) -> None:
    outside.rows = [{"id": 1, "amount": "bad"}]
    incremental.work(incremental.start())
    letter = DeadLetter.objects.get()
    dead_letters.edit(letter=letter, record={"id": 1, "amount": "1"}, user=None)
    cancelled_in(redrive(incremental), outside, "before")
    write_elsewhere(incremental)
    run = incremental.work(redrive(incremental))
    assert (run.state, run.written) == (RunState.SUCCEEDED, 1)
    assert not RunBatch.objects.filter(state=BatchState.PREPARED).exists()


def test_two_partitions_that_find_the_same_batch_count_it_once(
    incremental: Bench, outside: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = cancelled_around_the_write(incremental, outside, "after")
    run = incremental.start()
    (owner, stored), *_ = outside.checkpoints.items()
    seen = list(left_prepared(run))
    monkeypatch.setattr(leftovers, "left_prepared", lambda _: seen)
    monkeypatch.setattr(leftovers, "_is_something_left", lambda _: True)
    with transaction.atomic():
        leftovers.settle(run, owner, stored)
        leftovers.settle(run, owner, stored)
    first.refresh_from_db()
    assert (first.read, Event.objects.filter(run_id=first.pk, kind="run.settled").count()) == (10, 1)
