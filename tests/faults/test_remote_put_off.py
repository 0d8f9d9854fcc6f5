"""Records that a destination puts off within an answer of many go out again, and none is stored twice for it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from integrations.domain.guarantee import Guarantee
from integrations.domain.lifecycle import DeadLetterState, RunState
from integrations.errors import RECORD_FAILED, RECORD_PUT_OFF
from integrations.models import DeadLetter, Run, UncertainBatch
from integrations.services import dead_letters
from tests.faults.hostile import HostileServer
from tests.faults.remote_world import RESULTS, Remote
from tests.runs.listed import World

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.fault("F21", "F22")]
EXACT = [Guarantee.IDEMPOTENCY_KEY, Guarantee.UPSERT_VERSIONED]
ALL = [*EXACT, Guarantee.APPEND_ONLY]
Make = Callable[..., Remote]


def rows(count: int) -> list[dict[str, Any]]:
    return [{"id": number, "amount": "1"} for number in range(count)]


def work(make: Make, guarantee: Guarantee, source: World, server: HostileServer, *faults: str, **rules: Any) -> Run:
    """A run of twelve records, three a request, whose first requests meet these faults."""
    remote = make(guarantee, rules={"tolerance.set_aside_percent": 100, **rules}, **RESULTS)
    source.rows = rows(12)
    server.schedule.ask(list(faults))
    return remote.work(remote.start())


def stored(server: HostileServer) -> list[int]:
    return sorted(record["id"] for record in server.store.contents())


def reasons() -> set[str]:
    return {letter.reason for letter in DeadLetter.objects.all()}


@pytest.mark.parametrize("guarantee", ALL)
@pytest.mark.parametrize("times", [1, 3])
def test_records_that_were_put_off_are_sent_again_and_no_dead_letters(
    remote_of: Make, source: World, hostile_server: HostileServer, guarantee: Guarantee, times: int
) -> None:
    run = work(remote_of, guarantee, source, hostile_server, *["busy"] * times)
    assert (run.state, run.read, run.written, run.set_aside) == (RunState.SUCCEEDED, 12, 12, 0)
    assert stored(hostile_server) == list(range(12))
    assert not UncertainBatch.objects.exists()


@pytest.mark.parametrize("guarantee", ALL)
def test_records_that_stay_put_off_are_set_aside_after_as_many_attempts_as_the_policy_has(
    remote_of: Make, source: World, hostile_server: HostileServer, guarantee: Guarantee
) -> None:
    run = work(remote_of, guarantee, source, hostile_server, "busy", **{"retry.attempts": 1})
    assert (run.state, run.written, run.set_aside) == (RunState.SUCCEEDED, 11, 1)
    assert stored(hostile_server) == [number for number in range(12) if number != 1]
    assert all("too busy for the record (429)" in reason for reason in reasons())
    assert DeadLetter.objects.get().code == RECORD_PUT_OFF


def test_records_at_which_the_destination_failed_go_again_where_their_version_keeps_them_single(
    remote_of: Make, source: World, hostile_server: HostileServer
) -> None:
    run = work(remote_of, Guarantee.UPSERT_VERSIONED, source, hostile_server, "stumble")
    assert (run.written, run.set_aside, stored(hostile_server)) == (12, 0, list(range(12)))


@pytest.mark.parametrize("guarantee", [Guarantee.IDEMPOTENCY_KEY, Guarantee.APPEND_ONLY])
def test_where_a_second_send_could_double_them_they_are_set_aside_and_the_reason_says_so(
    remote_of: Make, source: World, hostile_server: HostileServer, guarantee: Guarantee
) -> None:
    run = work(remote_of, guarantee, source, hostile_server, "stumble")
    assert (run.written, run.set_aside, stored(hostile_server)) == (11, 1, list(range(12)))
    assert all("may have stored it (503)" in reason for reason in reasons())
    assert DeadLetter.objects.get().code == RECORD_FAILED


@pytest.mark.parametrize("guarantee", [Guarantee.IDEMPOTENCY_KEY, Guarantee.APPEND_ONLY])
def test_a_redrive_of_a_record_that_may_be_there_is_marked_also_where_it_was_set_aside_in_between(
    remote_of: Make, source: World, hostile_server: HostileServer, guarantee: Guarantee
) -> None:
    remote = remote_of(guarantee, rules={"tolerance.set_aside_percent": 100}, **RESULTS)
    source.rows = rows(2)
    hostile_server.schedule.ask(["stumble"])
    runs = [remote.work(remote.start())]
    for number in (None, 1):
        letter = DeadLetter.objects.get(state=DeadLetterState.OPEN)
        dead_letters.edit(letter=letter, record={"id": number, "amount": "1"}, user=None)
        runs.append(remote.work(dead_letters.redrive(deployment=remote.deployment, letter_ids=None, user=None)))
    assert [(run.written, run.set_aside) for run in runs] == [(1, 1), (0, 1), (1, 0)]
    assert stored(hostile_server) == [0, 1, 1]
    assert [(each.run_id, each.records) for each in UncertainBatch.objects.all()] == [(runs[2].pk, 1)]


@pytest.mark.parametrize("fault", ["500_before", "500_after", "close_before", "close_after", "429"])
@pytest.mark.parametrize("guarantee", ALL)
def test_whatever_meets_the_second_send_nothing_is_lost_and_no_double_goes_unmarked(
    remote_of: Make, source: World, hostile_server: HostileServer, guarantee: Guarantee, fault: str
) -> None:
    run = work(remote_of, guarantee, source, hostile_server, "busy", fault)
    aside = run.set_aside
    assert (run.state, run.read, run.written + aside) == (RunState.SUCCEEDED, 12, 12)
    assert len(set(stored(hostile_server))) == run.written
    doubles = len(stored(hostile_server)) - len(set(stored(hostile_server)))
    assert doubles <= sum(UncertainBatch.objects.values_list("records", flat=True))
    assert guarantee is Guarantee.APPEND_ONLY or (doubles, aside) == (0, 0)


@pytest.mark.parametrize("point", ["before_send", "after_write", "before_commit"])
@pytest.mark.parametrize("guarantee", ALL)
def test_a_worker_that_dies_after_it_repeats_the_same_sends_under_the_same_keys(
    remote_of: Make, source: World, hostile_server: HostileServer, guarantee: Guarantee, point: str
) -> None:
    remote = remote_of(guarantee, **RESULTS)
    source.rows = rows(6)
    hostile_server.schedule.ask(["busy", "", "busy"])
    run = remote.start()
    assert remote.die(run, point, 2 if point == "before_send" else 1)
    run = remote.work(run)
    assert (run.state, run.written, run.set_aside) == (RunState.SUCCEEDED, 6, 0)
    doubles = len(stored(hostile_server)) - 6
    assert doubles <= sum(UncertainBatch.objects.values_list("records", flat=True))
    assert guarantee is Guarantee.APPEND_ONLY or doubles == 0
