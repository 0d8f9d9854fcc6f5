"""Pause and resume at any moment: at once where no worker has the run, else after its batch; the run stays exact."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db.models.functions import Now

from accounts.errors import Conflict
from accounts.models import AuditEntry
from integrations.domain.lifecycle import ACTIVE_STATES, RunState
from integrations.models import Event, Run
from integrations.services import claims, runs
from integrations.services.execution import execute_slice
from integrations.services.pausing import pause_run, resume_run
from integrations.services.picking import claim_next
from tests.runs.conftest import Bench
from tests.runs.listed import World
from tests.servers import wait_until

pytestmark = pytest.mark.django_db(transaction=True)
RECORDS = 50


def ids(world: World) -> list[int]:
    return [row["id"] for row in world.stored]


def lease_of(run: Run) -> object:
    return Run.objects.values_list("lease_until", flat=True).get(pk=run.pk)


@pytest.fixture
def run(bench: Bench, outside: World) -> Run:
    outside.rows = [{"id": number, "amount": "1"} for number in range(RECORDS)]
    return bench.start()


def asked_at_batch(number: int, outside: World, act: Callable[[], object]) -> None:
    """Act once, when that batch is written."""
    left = [act]
    outside.on_write = lambda batch: left.pop()() if batch == number and left else None


@pytest.mark.fault("F43")
def test_a_queued_run_pauses_at_once_and_is_not_due(run: Run) -> None:
    paused = pause_run(run=run)
    assert (paused.state, claim_next(worker="test")) == (RunState.PAUSED, None)
    assert Event.objects.filter(run_id=run.pk, kind="run.paused").exists()
    assert AuditEntry.objects.filter(action="run.paused").count() == 1


@pytest.mark.fault("F43")
def test_a_running_run_stops_after_its_batch_and_goes_on_from_there(
    bench: Bench, run: Run, outside: World, settings: object
) -> None:
    settings.LEASE_SECONDS = 4  # type: ignore[attr-defined]  # pytest-django's settings

    def pause_until_it_is_seen() -> None:
        pause_run(run=run)
        seen = {lease_of(run)}

        def has_beaten() -> bool:
            seen.add(lease_of(run))
            # The first extension after the pause may have asked before it.
            return len(seen) > 3

        wait_until(has_beaten, "heartbeats")

    asked_at_batch(2, outside, pause_until_it_is_seen)
    stopped = bench.work(run)
    assert (stopped.state, ids(outside), stopped.lease_until) == (RunState.PAUSED, list(range(20)), None)
    resumed = resume_run(run=stopped)
    assert (resumed.state, resumed.pause_requested) == (RunState.QUEUED, False)
    assert (bench.work(run).state, ids(outside)) == (RunState.SUCCEEDED, list(range(RECORDS)))


def test_a_pause_that_the_dead_worker_did_not_see_holds(run: Run) -> None:
    claim = claims.claim_run(run_id=run.pk, worker="dies")
    assert claim is not None
    assert pause_run(run=run).pause_requested
    Run.objects.filter(pk=run.pk).update(lease_until=Now() - timedelta(seconds=1))
    assert execute_slice(run_id=run.pk, worker="next") is RunState.PAUSED


def test_a_run_whose_worker_died_pauses_at_once(run: Run) -> None:
    claims.claim_run(run_id=run.pk, worker="dead")
    Run.objects.filter(pk=run.pk).update(lease_until=Now() - timedelta(seconds=1))
    assert pause_run(run=run).state == RunState.PAUSED


def test_a_pause_is_taken_back_before_it_came(run: Run) -> None:
    claims.claim_run(run_id=run.pk, worker="busy")
    pause_run(run=run)
    resumed = resume_run(run=run)
    assert (resumed.state, resumed.pause_requested) == (RunState.RUNNING, False)


def test_a_paused_run_holds_its_integration_and_can_be_cancelled(bench: Bench, run: Run) -> None:
    pause_run(run=run)
    with pytest.raises(Conflict, match="active run"):
        bench.start()
    assert runs.cancel_run(run=run).state == RunState.CANCELLED
    assert bench.start().state == RunState.QUEUED


@pytest.mark.parametrize("act", [pause_run, resume_run])
def test_what_has_ended_is_neither_paused_nor_resumed(bench: Bench, run: Run, act: Callable[..., Run]) -> None:
    ended = bench.work(run)
    with pytest.raises(Conflict):
        act(run=ended)


def test_a_run_that_is_being_cancelled_is_not_paused(run: Run) -> None:
    claims.claim_run(run_id=run.pk, worker="busy")
    runs.cancel_run(run=run)
    with pytest.raises(Conflict):
        pause_run(run=run)


def test_a_pause_twice_is_told_so(run: Run) -> None:
    pause_run(run=run)
    with pytest.raises(Conflict, match="paused"):
        pause_run(run=run)


@pytest.mark.fault("F43")
@pytest.mark.parametrize("seed", range(5))
def test_pauses_resumes_and_dead_workers_at_random_moments_leave_an_exact_run(
    bench: Bench, run: Run, outside: World, seed: int
) -> None:
    chance = random.Random(seed)

    def interfere(_: int) -> None:
        deed = chance.choice(["pause", "die", "nothing"])
        if deed == "die":
            raise KeyboardInterrupt
        if deed == "pause":
            with contextlib.suppress(Conflict):
                pause_run(run=run)

    outside.on_write = interfere
    for _ in range(200):
        run.refresh_from_db()
        if run.state not in ACTIVE_STATES:
            break
        if run.state == RunState.PAUSED:
            resume_run(run=run)
        Run.objects.filter(pk=run.pk, state=RunState.RUNNING).update(lease_until=Now() - timedelta(seconds=1))
        try:
            execute_slice(run_id=run.pk, worker="test", draining=lambda: chance.random() < 0.5)
        except KeyboardInterrupt:
            continue
    assert (run.state, run.read, run.written) == (RunState.SUCCEEDED, RECORDS, RECORDS)
    assert ids(outside) == list(range(RECORDS))
