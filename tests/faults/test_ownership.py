"""Each change of a run is made by the worker that holds it: one whose run was taken over changes no row any more."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pyarrow as pa
import pytest
from django.conf import LazySettings
from django.db.models.functions import Now

from integrations.connectors.base import Commit, WriteRequest
from integrations.domain.guarantee import WriteMode
from integrations.errors import LEASE_LOST, RUN_CANCELLED, RUN_PAUSED, UNREACHABLE, NeedsPerson, RetryLater, StopRun
from integrations.models import DeadLetter, Deployment, Event, Run, RunBatch
from integrations.pipeline.ports import Aside, PreparedBatch
from integrations.services import claims, runs
from integrations.services.claims import Asked, Claim
from integrations.services.execution import execute_slice
from integrations.services.run_progress import Bounds, DatabaseRunLog, Heartbeat
from tests.runs.conftest import Bench, bench, connector, make_bench, outside, workspace
from tests.runs.listed import SCHEMA, ListedWriter, World

__all__ = ["bench", "connector", "make_bench", "outside", "workspace"]
pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.fault("F9", "F11")]

AWAY = RetryLater(UNREACHABLE, "Away.")
LETTER = Aside({"id": 1}, "record_refused", "id", "It is refused.")
BATCH = PreparedBatch(1, {"row": 10}, read=10, written=9, filtered=0, aside=(LETTER,), read_bytes=80, progress=None)


def lease_ends(run: Run) -> None:
    Run.objects.filter(pk=run.pk).update(lease_until=Now() - timedelta(seconds=1))


def claimed(run: Run, worker: str) -> Claim:
    claim = claims.claim_run(run_id=run.pk, worker=worker)
    assert claim is not None
    return claim


def log_of(run: Run, claim: Claim) -> DatabaseRunLog:
    beat = Heartbeat(claim, Asked(to_cancel=False, to_pause=False))
    return DatabaseRunLog(Run.objects.get(pk=run.pk), claim, beat, lambda: False, Bounds(3600.0, 10))


def writer_of(world: World, run: Run, fence: int) -> ListedWriter:
    owner = f"{run.deployment_id}:{run.deployment.epoch}"
    return ListedWriter(world, WriteRequest("rows_out", SCHEMA, WriteMode.APPEND, (), owner, fence))


def everything() -> list[Any]:
    return [list(model.objects.order_by("pk").values()) for model in (Run, Deployment, RunBatch, DeadLetter, Event)]


@pytest.fixture
def takeover(bench: Bench, outside: World) -> tuple[Run, Claim, Claim]:
    """A run that one worker prepared a batch of, with the claim that it lost and the one that took it over."""
    run = bench.start()
    stale = claimed(run, "first")
    log_of(run, stale).prepare(BATCH)
    lease_ends(run)
    return run, stale, claimed(run, "second")


CHANGES: dict[str, Callable[[Run, Claim], object]] = {
    "extend the lease": lambda _, claim: claims.extend_lease(claim),
    "yield": lambda _, claim: claims.yield_run(claim),
    "retry": lambda _, claim: claims.retry_run(claim, error=AWAY, delay_seconds=1),
    "succeed": lambda _, claim: claims.succeed_run(claim, warnings=[]),
    "fail": lambda _, claim: claims.fail_run(claim, AWAY),
    "end as cancelled": lambda _, claim: claims.end_cancelled(claim),
    "end as paused": lambda _, claim: claims.end_paused(claim),
    "hold a batch": lambda run, claim: log_of(run, claim).hold("digest", 1),
    "prepare": lambda run, claim: log_of(run, claim).prepare(BATCH),
    "commit": lambda run, claim: log_of(run, claim).commit(1),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_worker_whose_run_was_taken_over_changes_no_row(
    takeover: tuple[Run, Claim, Claim], change: Callable[[Run, Claim], object]
) -> None:
    run, stale, _ = takeover
    before = everything()
    with pytest.raises(StopRun) as stopped:
        change(run, stale)
    assert stopped.value.code == LEASE_LOST
    assert everything() == before


def test_a_position_is_not_taken_by_a_worker_whose_run_was_taken_over(
    takeover: tuple[Run, Claim, Claim], outside: World
) -> None:
    run, stale, _ = takeover
    before = everything()
    with pytest.raises(StopRun):
        log_of(run, stale).position(writer_of(outside, run, stale.fence), "owner")
    assert everything() == before


def test_the_worker_that_took_over_forgets_what_the_destination_has_not(
    takeover: tuple[Run, Claim, Claim], outside: World
) -> None:
    run, _, fresh = takeover
    log_of(run, fresh).position(writer_of(outside, run, fresh.fence), "owner")
    assert not RunBatch.objects.exists()
    assert not DeadLetter.objects.exists()


def test_the_worker_that_took_over_counts_once_what_the_destination_has(
    takeover: tuple[Run, Claim, Claim], outside: World
) -> None:
    run, _, fresh = takeover
    writer = writer_of(outside, run, fresh.fence)
    nothing = pa.RecordBatch.from_pylist([], schema=SCHEMA)
    writer.write(nothing, Commit(str(run.pk), 1, BATCH.cursor))
    for _ in range(2):
        log_of(run, fresh).position(writer, "owner")
    run.refresh_from_db()
    assert (run.read, run.written, run.set_aside, run.batches) == (10, 9, 1, 1)


@pytest.mark.parametrize("error", [AWAY, NeedsPerson(UNREACHABLE, "Gone."), ValueError("a defect")])
def test_a_worker_whose_run_was_taken_over_lets_go_of_it_whatever_it_met(
    bench: Bench, outside: World, error: Exception
) -> None:
    outside.rows = [{"id": 1, "amount": "1.00"}]
    run = bench.start()

    def taken_over(_: int) -> None:
        lease_ends(run)
        claimed(run, "second")

    outside.on_write, outside.fail_write = taken_over, [("before", error)]
    assert execute_slice(run_id=run.pk, worker="first") is None
    run.refresh_from_db()
    assert (run.state, run.worker, run.attempt) == ("running", "second", 0)


def test_a_lease_that_runs_is_nobody_elses_and_each_claim_has_a_higher_fence(bench: Bench, outside: World) -> None:
    run = bench.start()
    first = claimed(run, "first")
    assert claims.claim_run(run_id=run.pk, worker="second") is None
    lease_ends(run)
    second = claimed(run, "second")
    runs.cancel_run(run=run)
    claims.end_cancelled(second)
    third = claimed(bench.start(), "third")
    assert first.fence < second.fence < third.fence


def test_a_worker_whose_run_was_taken_over_hands_nothing_back(takeover: tuple[Run, Claim, Claim]) -> None:
    run, stale, _ = takeover
    leased_until = Run.objects.get(pk=run.pk).lease_until
    claims.hand_back(stale)
    assert Run.objects.get(pk=run.pk).lease_until == leased_until


def test_a_batch_that_is_prepared_again_has_its_dead_letters_once(bench: Bench, outside: World) -> None:
    run = bench.start()
    log = log_of(run, claimed(run, "first"))
    log.prepare(BATCH)
    log.prepare(BATCH)
    assert (RunBatch.objects.count(), DeadLetter.objects.count()) == (1, 1)


def test_a_worker_that_could_not_extend_its_lease_stops_itself(
    bench: Bench, outside: World, settings: LazySettings
) -> None:
    run = bench.start()
    log = log_of(run, claimed(run, "first"))
    settings.LEASE_SECONDS = 0
    with pytest.raises(StopRun) as stopped:
        log.prepare(BATCH)
    assert stopped.value.code == LEASE_LOST


@pytest.mark.parametrize(("asked", "code"), [(Asked(True, False), RUN_CANCELLED), (Asked(False, True), RUN_PAUSED)])
def test_what_people_ask_for_stops_a_worker_before_its_next_batch(
    bench: Bench, outside: World, asked: Asked, code: str
) -> None:
    claim = claimed(bench.start(), "first")
    with pytest.raises(StopRun) as stopped:
        Heartbeat(claim, asked).check()
    assert stopped.value.code == code


def test_a_cancel_reaches_the_worker_with_its_next_heartbeat(bench: Bench, outside: World) -> None:
    run = bench.start()
    claim = claimed(run, "first")
    runs.cancel_run(run=run)
    assert claims.extend_lease(claim).to_cancel
