"""Remote destinations: whatever the worker dies between, nothing is lost, and nothing doubles that is not marked."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from integrations.domain.guarantee import Guarantee
from integrations.domain.lifecycle import RunState
from integrations.faultpoints import armed
from integrations.models import BatchIntent, Budget, DeadLetter, UncertainBatch
from integrations.services import dead_letters
from tests.faults.hostile import HostileServer
from tests.faults.remote_world import RESULTS, Remote
from tests.runs.listed import World

pytestmark = pytest.mark.django_db(transaction=True)

EXACT = [Guarantee.IDEMPOTENCY_KEY, Guarantee.UPSERT_VERSIONED]
ALL = [*EXACT, Guarantee.APPEND_ONLY]
POINTS = ["after_claim", "after_prepare", "before_send", "after_write", "before_commit", "after_commit"]


def rows(count: int, amount: str = "1") -> list[dict[str, Any]]:
    return [{"id": number, "amount": amount} for number in range(count)]


def doubles_are_marked(remote: Remote) -> bool:
    """Say whether every record that is there twice belongs to as many records that are marked."""
    surplus = len(remote.ids()) - len(set(remote.ids()))
    marked = sum(UncertainBatch.objects.values_list("records", flat=True))
    return surplus <= marked


@pytest.mark.fault("F1", "F3", "F4", "F5", "F6")
@pytest.mark.parametrize("nth", [1, 3])
@pytest.mark.parametrize("point", POINTS)
@pytest.mark.parametrize("guarantee", ALL)
def test_a_worker_that_dies_anywhere_loses_nothing_and_doubles_nothing_unmarked(
    remote_of: Callable[..., Remote], source: World, guarantee: Guarantee, point: str, nth: int
) -> None:
    remote = remote_of(guarantee)
    source.rows = [*rows(24), {"id": None, "amount": "no id"}]
    run = remote.start()
    died = remote.die(run, point, nth)
    assert died or point == "after_claim"
    run = remote.work(run)
    assert (run.state, run.read, run.written, run.set_aside) == (RunState.SUCCEEDED, 25, 24, 1)
    assert set(remote.ids()) == set(range(24))
    assert doubles_are_marked(remote)
    assert guarantee is Guarantee.APPEND_ONLY or len(remote.ids()) == 24
    assert not BatchIntent.objects.exists()


@pytest.mark.fault("F22", "F23")
@pytest.mark.parametrize("fault", ["500_before", "500_after", "close_before", "close_after"])
@pytest.mark.parametrize("guarantee", ALL)
def test_an_answer_that_does_not_come_is_asked_for_again_with_the_same_bytes(
    remote_of: Callable[..., Remote], source: World, hostile_server: HostileServer, guarantee: Guarantee, fault: str
) -> None:
    remote = remote_of(guarantee)
    source.rows = rows(12)
    hostile_server.schedule.ask(["", fault, "", fault])
    run = remote.work(remote.start())
    assert (run.state, run.read, run.written) == (RunState.SUCCEEDED, 12, 12)
    assert set(remote.ids()) == set(range(12))
    assert doubles_are_marked(remote)
    assert guarantee is Guarantee.APPEND_ONLY or len(remote.ids()) == 12
    assert hostile_server.schedule.happened[fault] == 2


@pytest.mark.fault("F21")
@pytest.mark.parametrize("guarantee", ALL)
def test_a_destination_that_asks_to_wait_gets_its_slice_back_and_nothing_twice(
    remote_of: Callable[..., Remote],
    source: World,
    hostile_server: HostileServer,
    guarantee: Guarantee,
    monkeypatch: Any,
) -> None:
    monkeypatch.setattr("tests.faults.hostile.RETRY_AFTER_SECONDS", "60")
    remote = remote_of(guarantee)
    source.rows = rows(12)
    hostile_server.schedule.ask(["", "429"])
    run = remote.start()
    remote.slice(run)
    run.refresh_from_db()
    assert (run.state, run.error_code, remote.ids()) == (RunState.QUEUED, "rate_limited", [0, 1, 2])
    # The host is held back for everybody until the minute is over.
    Budget.objects.all().delete()
    run = remote.work(run)
    assert (run.state, remote.ids(), UncertainBatch.objects.count()) == (RunState.SUCCEEDED, list(range(12)), 0)


@pytest.mark.fault("F24")
@pytest.mark.parametrize("guarantee", ALL)
def test_records_that_are_refused_one_by_one_become_dead_letters_and_the_others_advance(
    remote_of: Callable[..., Remote], source: World, hostile_server: HostileServer, guarantee: Guarantee
) -> None:
    remote = remote_of(guarantee, rules={"tolerance.set_aside_percent": 100}, **RESULTS)
    source.rows = rows(30)
    hostile_server.schedule.ask(["subset", "", "subset", "shuffle", "subset"])
    run = remote.work(remote.start())
    refused = {dead_letters.payload_of(letter)["id"] for letter in DeadLetter.objects.filter(run=run)}
    assert (run.state, run.read, run.written + run.set_aside) == (RunState.SUCCEEDED, 30, 30)
    assert refused
    assert sorted([*remote.ids(), *refused]) == list(range(30))
    assert all("is not liked" in letter.reason for letter in DeadLetter.objects.all())


@pytest.mark.fault("F24")
def test_an_answer_that_miscounts_is_not_believed(
    remote_of: Callable[..., Remote], source: World, hostile_server: HostileServer
) -> None:
    remote = remote_of(Guarantee.IDEMPOTENCY_KEY, **RESULTS)
    source.rows = rows(9)
    hostile_server.schedule.ask(["lie"] * 5)
    run = remote.start()
    remote.slice(run)
    run.refresh_from_db()
    assert (run.state, run.error_code, run.written) == (RunState.QUEUED, "results_untrusted", 0)
    run = remote.work(run)
    assert (run.state, remote.ids()) == (RunState.SUCCEEDED, list(range(9)))


@pytest.mark.fault("F9", "F23")
@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("guarantee", ALL)
def test_a_storm_of_faults_and_deaths_loses_nothing(
    remote_of: Callable[..., Remote], source: World, hostile_server: HostileServer, guarantee: Guarantee, seed: int
) -> None:
    remote = remote_of(guarantee, records_per_request=2, **RESULTS)
    source.rows = rows(40)
    storm = ["500_after", "", "close_after", "429", "", "lie", "500_before", "shuffle", "", "close_before"]
    hostile_server.schedule.ask(storm[seed:] + storm[:seed] + storm)
    run = remote.start()
    for nth in range(1, 6):
        remote.die(run, POINTS[(seed + nth) % len(POINTS)], nth % 3 + 1)
    run = remote.work(run)
    assert (run.state, run.read, run.written) == (RunState.SUCCEEDED, 40, 40)
    assert set(remote.ids()) == set(range(40))
    assert doubles_are_marked(remote)
    assert guarantee is Guarantee.APPEND_ONLY or len(remote.ids()) == 40


@pytest.mark.fault("F3")
def test_what_is_stored_before_it_is_sent_is_encrypted_and_gone_when_it_is_committed(
    remote_of: Callable[..., Remote], source: World
) -> None:
    remote = remote_of(Guarantee.IDEMPOTENCY_KEY)
    source.rows = rows(6, amount="strictly-confidential")
    run = remote.start()
    assert remote.die(run, "before_send")
    intent = BatchIntent.objects.get()
    assert "confidential" not in intent.content
    assert (intent.sizes, intent.begun) == ([3, 3], 0)
    remote.work(run)
    assert not BatchIntent.objects.exists()


def test_what_changed_in_the_source_meanwhile_does_not_change_what_is_sent_again(
    remote_of: Callable[..., Remote], source: World
) -> None:
    remote = remote_of(Guarantee.IDEMPOTENCY_KEY)
    source.rows = rows(6, amount="old")
    run = remote.start()
    assert remote.die(run, "after_write")
    source.rows = rows(6, amount="new")
    run = remote.work(run)
    assert (run.state, run.written) == (RunState.SUCCEEDED, 6)
    assert [record["amount"] for record in remote.server.store.contents()] == ["old"] * 6


@pytest.mark.fault("F9")
@pytest.mark.parametrize("guarantee", ALL)
def test_a_worker_that_wakes_late_cannot_replace_newer_values_or_double(
    remote_of: Callable[..., Remote], source: World, hostile_server: HostileServer, guarantee: Guarantee
) -> None:
    remote = remote_of(guarantee)
    source.rows = rows(6, amount="old")
    first = remote.start()
    paused: list[str] = []

    def take_its_run_over(point: str) -> None:
        """While the worker is paused before its first part, others finish this run and the next one."""
        if point == "before_send" and not paused:
            paused.append(point)
            remote.expire(first)
            remote.work(first)
            source.rows = rows(6, amount="new")
            remote.work(remote.start())

    with armed(take_its_run_over):
        remote.slice(first)
    records = hostile_server.store.contents()
    expected = {"new"} if guarantee is Guarantee.UPSERT_VERSIONED else {"old", "new"}
    assert {record["amount"] for record in records} == expected
    assert sum(record["amount"] == "new" for record in records) == 6
    olds = sum(record["amount"] == "old" for record in records)
    marked = sum(UncertainBatch.objects.filter(run=first).values_list("records", flat=True))
    assert olds == {Guarantee.UPSERT_VERSIONED: 0, Guarantee.IDEMPOTENCY_KEY: 6}.get(guarantee, 6 + marked)
