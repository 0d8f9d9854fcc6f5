"""The order among a deployment's runs is the database's: a machine whose clock is an hour off changes nothing."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from uuid import UUID

import pytest
import uuid_utils.compat
from django.utils import timezone

import accounts.models.base
from accounts.errors import Conflict
from integrations.connectors import registry
from integrations.domain.lifecycle import RunState
from integrations.errors import REQUEST_REFUSED, NeedsPerson
from integrations.models import Policy, Run
from integrations.services import dead_letters, runs
from integrations.services.backfills import Checkpoint, start_replay
from integrations.services.claims import claim_run
from integrations.services.continuation import continue_run
from integrations.services.owners import former_owners
from tests.runs.conftest import Bench
from tests.runs.listed import World
from tests.runs.partitioned import Split, work_all

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.fault("F33")]
Clock = Callable[[int], None]


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[Clock]:
    """Sets the clock of this process, and with it the ids that it makes, hours off; the database keeps its own."""
    true_now = timezone.now

    def put(hours: int) -> None:
        def id_here(*, nanoseconds: int | None = None) -> UUID:
            moment = nanoseconds if nanoseconds is not None else time.time_ns() + hours * 3_600 * 10**9
            return uuid_utils.compat.uuid7(nanoseconds=moment)

        monkeypatch.setattr(accounts.models.base, "uuid7", id_here)
        monkeypatch.setattr(timezone, "now", lambda: true_now() + timedelta(hours=hours))

    yield put
    monkeypatch.undo()


@contextmanager
def refusing(world: World) -> Iterator[None]:
    """The destination refuses the second batch of what is moved meanwhile."""
    world.on_write = refuse_second
    yield
    world.on_write = lambda _: None


def refuse_second(number: int) -> None:
    if number == 2:
        raise NeedsPerson(REQUEST_REFUSED, "Not today.")


@pytest.fixture
def many(outside: World) -> World:
    outside.rows = [{"id": number, "amount": "1.50"} for number in range(30)]
    return outside


@pytest.mark.parametrize("hours", [1, -1])
def test_only_the_run_that_read_last_is_continued_whatever_the_machines_clocks_said(
    bench: Bench, many: World, clock: Clock, hours: int
) -> None:
    with refusing(many):
        clock(hours)
        first = bench.work(bench.start())
        clock(0)
        second = bench.work(bench.start())
    with pytest.raises(Conflict, match="has read this stream since"):
        continue_run(run=first, user=None)
    third = bench.work(continue_run(run=second, user=None))
    assert (second.state, third.state, third.read) == (RunState.FAILED, RunState.SUCCEEDED, 20)


def test_a_run_that_was_cancelled_before_it_began_is_behind_none_of_the_earlier_ones(
    bench: Bench, many: World, clock: Clock
) -> None:
    clock(1)
    bench.work(bench.start())
    clock(0)
    waiting = runs.cancel_run(run=bench.start())
    assert bench.work(continue_run(run=waiting, user=None)).state == RunState.SUCCEEDED


@pytest.mark.parametrize("hours", [1, -1])
def test_runs_are_listed_as_they_were_started_whatever_the_machines_clocks_said(
    bench: Bench, many: World, clock: Clock, hours: int
) -> None:
    started = []
    for offset in (hours, 0, hours):
        clock(offset)
        started.append(bench.work(bench.start()))
    assert list(Run.objects.of(bench.deployment.workspace).order_by("id")) == started


@pytest.fixture
def split(make_bench: Callable[..., Bench], many: World, monkeypatch: pytest.MonkeyPatch) -> Bench:
    """A deployment whose first run, which was not cut, has succeeded and left a letter."""
    monkeypatch.setitem(registry.CONNECTORS, "listed", Split)
    bench = make_bench(rules=in_parts(1))
    many.rows.append({"id": 30, "amount": "bad"})
    bench.work(bench.start())
    return bench


def in_parts(most: int) -> dict[str, int]:
    return {"partitions.most": most, "tolerance.set_aside_percent": 100}


def cancelled_in_partitions(bench: Bench) -> None:
    """A run in three partitions that was cancelled; those that come are not cut any more."""
    Policy.objects.update(rules=in_parts(3))
    run = bench.work(bench.start(), slices=1)
    assert (run.state, run.partition_count) == (RunState.RUNNING, 3)
    runs.cancel_run(run=run)
    work_all()
    Policy.objects.update(rules=in_parts(1))


def keys_to_keep_out(run: Run) -> list[str]:
    claim_run(run_id=run.pk, worker="next")
    run.refresh_from_db()
    return [owner.rpartition(":")[2] for owner in former_owners(run)]


@pytest.mark.parametrize("hours", [1, -1])
def test_workers_of_a_run_that_was_cut_are_kept_out_whatever_the_clock_of_its_machine_said(
    split: Bench, clock: Clock, hours: int
) -> None:
    clock(hours)
    cancelled_in_partitions(split)
    clock(0)
    assert keys_to_keep_out(split.start()) == ["1", "2", "3"]


def test_a_success_beside_the_stream_settles_nothing_of_it(split: Bench, many: World) -> None:
    first = Run.objects.get()
    cancelled_in_partitions(split)
    deployment, beside = split.deployment, Checkpoint(first, 0)
    redriven = split.work(dead_letters.redrive(deployment=deployment, letter_ids=None, user=None))
    replayed = split.work(start_replay(deployment=deployment, checkpoint=beside, goes_on=False, user=None))
    assert {redriven.state, replayed.state} == {RunState.SUCCEEDED}
    assert keys_to_keep_out(split.start()) == ["1", "2", "3"]
