"""A batch that an ended run may have sent goes out first in the run that would repeat it, under its own key."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from accounts.errors import Conflict
from integrations.domain.guarantee import Guarantee
from integrations.domain.lifecycle import BatchState, DeadLetterState, RunState, Trigger
from integrations.models import BatchIntent, DeadLetter, Event, Run, RunBatch, UncertainBatch
from integrations.services import dead_letters, integrations, intents
from integrations.services.continuation import continue_run
from tests.faults.hostile import HostileServer
from tests.faults.remote_world import RESULTS, Remote
from tests.runs.listed import World

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.fault("F23", "F36")]

ONE_TRY = {"retry.attempts": 1}
INCREMENTAL = {"read_mode": "incremental", "cursor_field": "id"}
ALL = [Guarantee.IDEMPOTENCY_KEY, Guarantee.UPSERT_VERSIONED, Guarantee.APPEND_ONLY]


def rows(count: int) -> list[dict[str, Any]]:
    return [{"id": number, "amount": "1"} for number in range(count)]


def fails(remote: Remote, server: HostileServer) -> Run:
    """A run whose second request is stored and not answered, which ends it."""
    server.schedule.ask(["", "500_after"])
    run = remote.work(remote.start())
    assert (run.state, run.batches, BatchIntent.objects.count()) == (RunState.FAILED, 0, 1)
    return run


def marked() -> int:
    return sum(UncertainBatch.objects.values_list("records", flat=True))


@pytest.mark.parametrize("guarantee", ALL)
def test_a_continued_run_sends_it_first(
    remote_of: Callable[..., Remote], source: World, hostile_server: HostileServer, guarantee: Guarantee
) -> None:
    remote = remote_of(guarantee, rules=ONE_TRY)
    source.rows = rows(20)
    failed = fails(remote, hostile_server)
    run = remote.work(continue_run(run=failed, user=None))
    assert (run.state, run.read, run.written, run.batches) == (RunState.SUCCEEDED, 20, 20, 2)
    assert set(remote.ids()) == set(range(20))
    assert (len(remote.ids()) - 20, marked()) == ((3, 3) if guarantee is Guarantee.APPEND_ONLY else (0, 0))
    assert run.has_warnings is (guarantee is Guarantee.APPEND_ONLY)


@pytest.mark.parametrize("guarantee", ALL)
def test_the_next_incremental_run_sends_it_first(
    remote_of: Callable[..., Remote], source: World, hostile_server: HostileServer, guarantee: Guarantee
) -> None:
    remote = remote_of(guarantee, rules=ONE_TRY, flow=INCREMENTAL)
    source.rows = rows(20)
    fails(remote, hostile_server)
    run = remote.work(remote.start(Trigger.SCHEDULE))
    assert (run.state, run.read, set(remote.ids())) == (RunState.SUCCEEDED, 20, set(range(20)))
    assert (len(remote.ids()) - 20, marked()) == ((3, 3) if guarantee is Guarantee.APPEND_ONLY else (0, 0))


def test_a_new_full_run_reads_and_sends_all_again(
    remote_of: Callable[..., Remote], source: World, hostile_server: HostileServer
) -> None:
    remote = remote_of(Guarantee.UPSERT_VERSIONED, rules=ONE_TRY)
    source.rows = [*rows(9), {"id": None, "amount": "no id"}]
    failed = fails(remote, hostile_server)
    source.rows = [{**row, "amount": "2"} for row in source.rows]
    run = remote.work(remote.start())
    assert (run.state, run.read, run.set_aside) == (RunState.SUCCEEDED, 10, 1)
    assert {record["amount"] for record in hostile_server.store.contents()} == {"2"}
    assert [letter.run_id for letter in DeadLetter.objects.all()] == [run.pk]
    assert not BatchIntent.objects.exists()
    with pytest.raises(Conflict, match="has read this stream since"):
        continue_run(run=failed, user=None)


@pytest.mark.parametrize(
    ("guarantee", "doubtful"),
    [(Guarantee.IDEMPOTENCY_KEY, 10), (Guarantee.UPSERT_VERSIONED, 0), (Guarantee.APPEND_ONLY, 6)],
)
def test_after_a_reset_it_is_closed_and_what_may_be_there_twice_is_marked(
    remote_of: Callable[..., Remote], source: World, hostile_server: HostileServer, guarantee: Guarantee, doubtful: int
) -> None:
    remote = remote_of(guarantee, rules=ONE_TRY, flow=INCREMENTAL)
    source.rows = rows(20)
    failed = fails(remote, hostile_server)
    integrations.reset_checkpoint(deployment=remote.deployment, reason="read it all again")
    run = remote.work(remote.start())
    assert (run.state, run.read, marked()) == (RunState.SUCCEEDED, 20, doubtful)
    assert not BatchIntent.objects.exists()
    assert not RunBatch.objects.filter(state=BatchState.PREPARED).exists()
    kind = "run.uncertain" if doubtful else "run.superseded"
    assert "checkpoint was reset" in Event.objects.get(run_id=failed.pk, kind=kind).message or doubtful
    failed.refresh_from_db()
    assert failed.has_warnings is bool(doubtful)


@pytest.mark.parametrize("guarantee", ALL)
def test_a_redrive_after_one_that_failed_delivers_each_letter_once(
    remote_of: Callable[..., Remote], source: World, hostile_server: HostileServer, guarantee: Guarantee
) -> None:
    remote = remote_of(guarantee, rules={**ONE_TRY, "tolerance.set_aside_percent": 100}, **RESULTS)
    source.rows = rows(6)
    hostile_server.schedule.ask(["subset", "subset"])
    remote.work(remote.start())
    refused = DeadLetter.objects.count()
    hostile_server.schedule.ask(["500_after"])
    failed = remote.work(dead_letters.redrive(deployment=remote.deployment, letter_ids=None, user=None))
    assert (failed.state, DeadLetter.objects.filter(state=DeadLetterState.OPEN).count()) == (RunState.FAILED, refused)
    run = remote.work(dead_letters.redrive(deployment=remote.deployment, letter_ids=None, user=None))
    assert (run.state, run.read, run.written) == (RunState.SUCCEEDED, refused, refused)
    assert set(DeadLetter.objects.values_list("state", flat=True)) == {DeadLetterState.REDRIVEN}
    assert set(remote.ids()) == set(range(6))
    assert len(remote.ids()) - 6 == marked()
    assert guarantee is Guarantee.APPEND_ONLY or marked() == 0


@pytest.mark.parametrize("moment", ["after_prepare", "after_write", "before_commit"])
def test_a_redrive_whose_worker_dies_delivers_each_letter_once(
    remote_of: Callable[..., Remote], source: World, hostile_server: HostileServer, moment: str
) -> None:
    remote = remote_of(Guarantee.IDEMPOTENCY_KEY, rules={"tolerance.set_aside_percent": 100}, **RESULTS)
    source.rows = rows(12)
    hostile_server.schedule.ask(["subset"] * 4)
    remote.work(remote.start())
    run = dead_letters.redrive(deployment=remote.deployment, letter_ids=None, user=None)
    assert remote.die(run, moment)
    run = remote.work(run)
    assert (run.state, remote.ids()) == (RunState.SUCCEEDED, list(range(12)))


def test_a_run_that_is_cancelled_between_two_parts_is_continued_without_a_double(
    remote_of: Callable[..., Remote], source: World, hostile_server: HostileServer
) -> None:
    remote = remote_of(Guarantee.IDEMPOTENCY_KEY)
    source.rows = rows(20)
    run = remote.start()
    assert remote.die(run, "before_send", 2)
    Run.objects.filter(pk=run.pk).update(cancel_requested=True)
    run = remote.work(run)
    assert (run.state, remote.ids()) == (RunState.CANCELLED, [0, 1, 2])
    run = remote.work(continue_run(run=run, user=None))
    assert (run.state, run.read, remote.ids()) == (RunState.SUCCEEDED, 20, list(range(20)))


def test_a_run_that_was_continued_is_not_continued_again(
    remote_of: Callable[..., Remote], source: World, hostile_server: HostileServer
) -> None:
    remote = remote_of(Guarantee.IDEMPOTENCY_KEY, rules=ONE_TRY)
    source.rows = rows(20)
    failed = fails(remote, hostile_server)
    hostile_server.schedule.ask(["", "", "500_after"])
    second = remote.work(continue_run(run=failed, user=None))
    assert second.state == RunState.FAILED
    with pytest.raises(Conflict, match="has read this stream since"):
        continue_run(run=failed, user=None)
    run = remote.work(continue_run(run=second, user=None))
    assert (run.state, remote.ids()) == (RunState.SUCCEEDED, list(range(20)))


def test_a_batch_that_is_too_large_to_be_stored_is_not_sent(
    remote_of: Callable[..., Remote], source: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(intents, "MOST_BYTES", 500)
    remote = remote_of(Guarantee.IDEMPOTENCY_KEY)
    source.rows = rows(20)
    run = remote.work(remote.start())
    assert (run.state, run.error_code, remote.ids()) == (RunState.FAILED, "batch_too_large", [])
    assert not BatchIntent.objects.exists()
