"""A run that ends with a batch prepared: the next run counts it where the destination has it, and else forgets it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db.models.functions import Now

from integrations.domain.lifecycle import BatchState, DeadLetterState, RunState
from integrations.models import DeadLetter, Deployment, Event, Run, RunBatch
from integrations.services import dead_letters, runs
from integrations.services.backfills import Checkpoint, start_replay
from integrations.services.continuation import continue_run
from integrations.services.execution import execute_slice
from tests.runs.conftest import Bench, bench, connector, make_bench, outside, workspace
from tests.runs.listed import World

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


def test_after_a_reset_nothing_is_forgotten_on_a_guess(incremental: Bench, outside: World) -> None:
    first = cancelled_around_the_write(incremental, outside, "before")
    Deployment.objects.update(epoch=1)
    incremental.work(incremental.start())
    assert DeadLetter.objects.filter(run=first).count() == 1
