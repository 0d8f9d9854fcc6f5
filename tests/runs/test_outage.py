"""The control database goes away under a worker: nothing more is written, no defect is marked, and the run goes on."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
from django.core.management import call_command
from django.db import OperationalError, connection
from pytest_django import DjangoDbBlocker

from config.scheduler import Job, run_loop
from integrations.domain.lifecycle import RunState
from integrations.errors import LEASE_LOST, StopRun
from integrations.models import Event, Run
from integrations.services import claims
from integrations.services.claims import Asked
from integrations.services.execution import execute_slice
from integrations.services.picking import claim_next, reconcile
from integrations.services.run_progress import Heartbeat
from tests.faults.proxy import Proxy
from tests.runs.conftest import Bench
from tests.runs.databases import control_database, migrated_postgres
from tests.runs.listed import World
from tests.servers import Server, wait_until

__all__ = ["migrated_postgres"]

RECORDS = 50
LEASE_SECONDS = 1.0


@pytest.fixture
def proxy(postgres_server: Server) -> Iterator[Proxy]:
    """What stands between this process and the control database."""
    made = Proxy(postgres_server.port)
    made.start()
    yield made
    made.stop()


@pytest.fixture
def db(migrated_postgres: str, proxy: Proxy, django_db_blocker: DjangoDbBlocker, settings: Any) -> Iterator[None]:
    """The control database on PostgreSQL, reached through the proxy."""
    settings.LEASE_SECONDS = LEASE_SECONDS
    address, _, name = migrated_postgres.rpartition("/")
    url = f"{address.rpartition(':')[0]}:{proxy.port}/{name}"
    with django_db_blocker.unblock(), control_database(url, unreachable_seconds=2):
        yield
        proxy.harm()
        connection.close()
        call_command("flush", interactive=False, verbosity=0)


@pytest.fixture
def run(bench: Bench, outside: World) -> Run:
    outside.rows = [{"id": number, "amount": "1"} for number in range(RECORDS)]
    return bench.start()


def at_batch(number: int, act: Callable[[], object]) -> Callable[[int], object]:
    """Do it once, when that batch is written."""
    left = [act]
    return lambda batch: left.pop()() if batch == number and left else None


def ids(world: World) -> list[int]:
    return [row["id"] for row in world.stored]


@pytest.mark.fault("F17")
def test_a_broken_connection_ends_the_slice_and_nothing_else(
    bench: Bench, run: Run, outside: World, proxy: Proxy
) -> None:
    outside.on_write = at_batch(2, proxy.cut)
    assert execute_slice(run_id=run.pk, worker="cut") is None
    run.refresh_from_db()
    assert (run.state, run.batches, run.claims_without_progress) == (RunState.RUNNING, 1, 0)
    assert list(Event.objects.filter(run_id=run.pk, level="error")) == []
    run = bench.work(run)
    assert (run.state, ids(outside), run.read) == (RunState.SUCCEEDED, list(range(RECORDS)), RECORDS)


@pytest.mark.fault("F17", "F19")
def test_a_database_that_is_away_for_longer_than_a_lease_costs_no_attempt(
    bench: Bench, run: Run, outside: World, proxy: Proxy
) -> None:
    def go_away() -> None:
        proxy.harm(accept_then_close=True)
        proxy.cut()

    outside.on_write = at_batch(2, go_away)
    assert execute_slice(run_id=run.pk, worker="cut off") is None
    assert ids(outside) == list(range(20))
    with pytest.raises(OperationalError):
        claim_next(worker="cut off")
    proxy.harm()
    claim = claim_next(worker="back")
    assert claim is not None
    run.refresh_from_db()
    assert (run.claims, run.claims_without_progress, run.attempt) == (2, 1, 0)
    claims.yield_run(claim)
    run = bench.work(run)
    assert (run.state, ids(outside)) == (RunState.SUCCEEDED, list(range(RECORDS)))


@pytest.mark.fault("F19")
def test_a_worker_that_is_cut_off_stops_itself_before_its_lease_is_over(run: Run, proxy: Proxy) -> None:
    claim = claims.claim_run(run_id=run.pk, worker="cut off")
    assert claim is not None
    claimed_at = time.monotonic()
    with Heartbeat(claim, Asked(to_cancel=False, to_pause=False)) as heartbeat:
        proxy.harm(accept_then_close=True)
        proxy.cut()
        with pytest.raises(StopRun) as stopped:
            wait_until(heartbeat.check, "the worker to stop itself", LEASE_SECONDS)
    assert (stopped.value.code, time.monotonic() - claimed_at < LEASE_SECONDS * 1.3) == (LEASE_LOST, True)


@pytest.mark.fault("F9")
def test_a_worker_that_wakes_after_another_took_over_is_no_death(run: Run) -> None:
    first = claims.claim_run(run_id=run.pk, worker="paused")
    assert first is not None
    wait_until(lambda: claims.claim_run(run_id=run.pk, worker="second"), "the lease to run out", LEASE_SECONDS * 2)
    claims.hand_back(first)
    run.refresh_from_db()
    assert (run.worker, run.claims, run.claims_without_progress) == ("second", 2, 1)


@pytest.mark.fault("F17", "F19")
def test_the_reconciler_goes_on_when_the_database_is_back(run: Run, proxy: Proxy) -> None:
    stop = threading.Event()
    failures = []

    def tick() -> None:
        try:
            reconcile()
        except OperationalError as error:
            failures.append(error)
            raise

    loop = threading.Thread(target=run_loop, args=([Job("reconcile", 0.1, tick)], stop))
    proxy.harm(accept_then_close=True)
    proxy.cut()
    loop.start()
    try:
        wait_until(lambda: failures, "the database to be missed")
        proxy.harm()
        connection.close()
        wait_until(lambda: Run.objects.filter(pk=run.pk, hinted_at__isnull=False).exists(), "the run to be hinted")
    finally:
        stop.set()
        loop.join()


@pytest.mark.fault("F10", "F18")
def test_our_transactions_are_bounded_by_the_server(db: None, migrated_postgres: str) -> None:
    with psycopg.connect(migrated_postgres) as blocker:
        blocker.execute("LOCK TABLE integrations_run")
        with pytest.raises(OperationalError, match="lock timeout"):
            Run.objects.count()
