"""Intents under locks: on SQLite and on PostgreSQL two workers with one stored batch end up with one of each record."""

from __future__ import annotations

import threading
from collections.abc import Callable
from uuid import UUID

import pytest
from django.db import connection

from integrations.domain.guarantee import Guarantee
from integrations.domain.lifecycle import RunState
from integrations.faultpoints import armed
from integrations.models import BatchIntent, UncertainBatch
from tests.faults.remote_world import Remote
from tests.runs.databases import either_database, migrated_postgres
from tests.runs.listed import World

__all__ = ["either_database", "migrated_postgres"]

ALL = [Guarantee.IDEMPOTENCY_KEY, Guarantee.UPSERT_VERSIONED, Guarantee.APPEND_ONLY]
BOUND_SECONDS = 20


@pytest.fixture
def db(either_database: str) -> None:
    """Each test here on SQLite and on PostgreSQL."""


@pytest.mark.fault("F3", "F4", "F9")
@pytest.mark.parametrize("guarantee", ALL)
@pytest.mark.parametrize("point", ["before_send", "after_write"])
def test_a_worker_that_pauses_in_another_thread_and_wakes_after_its_successor(
    remote_of: Callable[..., Remote], source: World, guarantee: Guarantee, point: str
) -> None:
    remote = remote_of(guarantee)
    source.rows = [{"id": number, "amount": "1"} for number in range(24)]
    run = remote.start()
    paused, may_wake = threading.Event(), threading.Event()
    sleeper = threading.Thread(target=lambda: _work(remote, run.pk), name="sleeper")

    def pause(name: str) -> None:
        if name == point and threading.current_thread() is sleeper and not paused.is_set():
            paused.set()
            may_wake.wait(BOUND_SECONDS)

    with armed(pause):
        sleeper.start()
        assert paused.wait(BOUND_SECONDS)
        remote.expire(run)
        run = remote.work(run)
        may_wake.set()
        sleeper.join(BOUND_SECONDS)
    assert not sleeper.is_alive()
    run.refresh_from_db()
    assert (run.state, run.read, run.written) == (RunState.SUCCEEDED, 24, 24)
    assert set(remote.ids()) == set(range(24))
    surplus = len(remote.ids()) - 24
    assert surplus <= sum(UncertainBatch.objects.values_list("records", flat=True))
    assert guarantee is Guarantee.APPEND_ONLY or surplus == 0
    assert not BatchIntent.objects.exists()


def _work(remote: Remote, run_id: UUID) -> None:
    """A worker in a thread of its own, with a connection of its own."""
    from_run = remote.deployment.runs.get(pk=run_id)
    try:
        remote.slice(from_run)
    finally:
        connection.close()
