"""A gate before a connector's calls, over the rows that others share; on SQLite and on PostgreSQL."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.db import connection
from django.db.models.functions import Now
from django.test.utils import CaptureQueriesContext

from accounts.errors import SignalboxError
from integrations.connectors.gate import OPEN_GATE, Gate
from integrations.domain.circuit_breaker import BreakerState
from integrations.errors import (
    ADDRESS_BLOCKED,
    BREAKER_OPEN,
    BUDGET_SPENT,
    CREDENTIAL_REFUSED,
    RATE_LIMITED,
    REQUEST_REFUSED,
    SERVER_FAILED,
    UNREACHABLE,
    NeedsPerson,
    NotYet,
    RetryLater,
)
from integrations.models import Breaker, Budget, Connector, Event, RuleAction
from integrations.services import breakers, budgets
from tests.budgets.conftest import Shop

STRICT = {"breaker.minimum_calls": 3, "breaker.window_seconds": 60, "breaker.open_seconds": 30}
FAILED = RetryLater(SERVER_FAILED, "GET http://127.0.0.1:9/rows answered 500.")


def fail(gate: Gate, times: int = 1, error: SignalboxError = FAILED) -> None:
    for _ in range(times):
        gate.admit()
        gate.report(error)


def refused(ask: Callable[[], object]) -> NotYet:
    with pytest.raises(NotYet) as caught:
        ask()
    return caught.value


def make_due(breaker: Breaker) -> None:
    """Let the time pass in which the breaker stays open."""
    Breaker.objects.filter(pk=breaker.pk).update(probe_at=Now() - timedelta(seconds=1))


def test_without_a_budget_and_with_a_host_that_is_well_a_slice_asks_once(shop: Shop) -> None:
    connector = shop.connector("orders")
    connector = Connector.objects.select_related("policy", "workspace", "credential").get(pk=connector.pk)
    with CaptureQueriesContext(connection) as policy_alone:
        shop.gate(connector)
    gate = shop.gate(connector)
    with CaptureQueriesContext(connection) as calls:
        for _ in range(100):
            gate.admit()
            gate.report(None)
    assert len(policy_alone) == 3  # the connector, its policies, and one look
    assert len(calls) == 0


def test_what_a_gate_was_told_of_and_what_it_refuses_name_their_connector(shop: Shop) -> None:
    connector = shop.connector("orders", rules=STRICT)
    failures = [RetryLater(SERVER_FAILED, "It answered 500.") for _ in range(3)]
    gate = shop.gate(connector)
    for each in failures:
        fail(gate, error=each)
    named = [each.detail["connector"] for each in (*failures, refused(gate.admit))]
    assert named == [str(connector.pk)] * 4


def test_a_connector_that_calls_no_host_has_no_gate(shop: Shop) -> None:
    connector = Connector.objects.create(workspace=shop.workspace, name="f", plugin="files", settings={})
    assert shop.gate(connector) is OPEN_GATE


def test_requests_are_counted_for_all_that_share_the_credential(shop: Shop) -> None:
    one = shop.connector("one", rules={"budget.requests_per_minute": 60, "budget.burst": 10})
    other = shop.connector("other")
    gates = [shop.gate(one), shop.gate(other)]
    for number in range(10):
        gates[number % 2].admit()
    assert Budget.objects.get().credential == shop.login
    assert len(shop.waits.seconds) >= 4


def test_a_wait_that_is_too_long_is_handed_back_with_its_time(shop: Shop) -> None:
    gate = shop.gate(shop.connector("slow", rules={"budget.requests_per_minute": 2, "budget.burst": 1}))
    gate.admit()
    error = refused(gate.admit)
    assert error.code == BUDGET_SPENT
    assert 20 < (error.retry_after_seconds or 0) < 36
    assert RuleAction.objects.get(rule="budget.requests_per_minute").what.startswith("kept a call back")


def test_the_tightest_of_those_who_share_a_budget_holds(shop: Shop) -> None:
    shop.connector("tight", rules={"budget.requests_per_minute": 2, "budget.burst": 1})
    gate = shop.gate(shop.connector("loose", rules={"budget.requests_per_minute": 6000, "budget.burst": 50}))
    gate.admit()
    assert "The 2 requests a minute" in refused(gate.admit).message


def test_without_a_credential_the_host_is_what_is_shared(shop: Shop) -> None:
    tight = {"budget.requests_per_minute": 2, "budget.burst": 1}
    shop.gate(shop.connector("one", rules=tight, signs_in=False)).admit()
    assert refused(shop.gate(shop.connector("other", signs_in=False)).admit).code == BUDGET_SPENT
    shop.gate(shop.connector("signed in")).admit()


@pytest.mark.fault("F21")
@pytest.mark.parametrize(
    ("asked", "least", "most"), [(60.0, 59, 67), (999_999_999.0, 3599, 3970), (None, 0, 0), (1.0, 0, 0)]
)
def test_a_429_makes_all_that_share_the_budget_wait(shop: Shop, asked: float | None, least: int, most: int) -> None:
    connector = shop.connector("orders")
    gate, other = shop.gate(connector), shop.gate(shop.connector("other"))
    other.admit()
    fail(gate, error=RetryLater(RATE_LIMITED, "GET /rows answered 429.", retry_after_seconds=asked))
    assert Budget.objects.get().refusals == 1
    refusal = gate.refusal()
    if most:
        assert refusal is not None
        assert least <= (refusal.retry_after_seconds or 0) <= most
        assert refused(shop.gate(connector).admit).code == RATE_LIMITED
    else:
        assert refusal is None
        gate.admit()
        assert sum(shop.waits.seconds) > 0.5
    assert not Breaker.objects.exists()


@pytest.mark.fault("F21")
def test_429s_that_name_no_time_make_longer_and_longer_pauses(shop: Shop) -> None:
    gate = shop.gate(shop.connector("orders", rules={"retry.first_delay_seconds": 2}))
    pauses = []
    for _ in range(4):
        Budget.objects.update(held_until=Now() - timedelta(milliseconds=1))
        budgets.hold(
            shop.place(Connector.objects.get()), asked_seconds=None, first_seconds=2, longest_seconds=10, reason="429."
        )
        pauses.append(Budget.objects.get().hold_seconds)
    assert pauses == [2, 4, 8, 10]
    assert gate.refusal() is None


def test_a_pause_is_ended_by_hand(shop: Shop) -> None:
    connector = shop.connector("orders")
    fail(shop.gate(connector), error=RetryLater(RATE_LIMITED, "GET /rows answered 429.", retry_after_seconds=600))
    budgets.release(budget=Budget.objects.get())
    shop.gate(connector).admit()
    kinds = set(Event.objects.filter(object_id=connector.pk).values_list("kind", flat=True))
    assert {"budget.held", "budget.released"} <= kinds


def test_enough_failures_open_the_breaker_for_every_connector_of_the_host(shop: Shop) -> None:
    gate = shop.gate(shop.connector("orders", rules=STRICT))
    fail(gate, 3)
    refusal = gate.refusal()
    assert refusal is not None
    assert refusal.code == BREAKER_OPEN
    assert 25 < (refusal.retry_after_seconds or 0) < 34
    error = refused(shop.gate(shop.connector("other", signs_in=False)).admit)
    assert "3 of 3 calls failed within 60 s." in error.message
    breaker = Breaker.objects.get()
    assert (breaker.host, breaker.state) == ("127.0.0.1:9", "open")
    assert [failure["code"] for failure in breaker.last_failures] == [SERVER_FAILED] * 3
    assert Event.objects.filter(kind="breaker.opened").count() == 1


def test_calls_that_went_well_before_the_first_failure_weigh_against_it(shop: Shop) -> None:
    gate = shop.gate(shop.connector("orders", rules=STRICT))
    for _ in range(7):
        gate.admit()
        gate.report(None)
    fail(gate, 6)
    assert Breaker.objects.get().state == "closed"
    fail(gate, 1)
    assert Breaker.objects.get().state == "open"


@pytest.mark.parametrize(
    "error",
    [
        NeedsPerson(REQUEST_REFUSED, "GET /rows answered 400."),
        NeedsPerson(CREDENTIAL_REFUSED, "GET /rows answered 401."),
        NeedsPerson(ADDRESS_BLOCKED, "The address is private."),
        RetryLater(RATE_LIMITED, "GET /rows answered 429.", retry_after_seconds=0.0),
    ],
)
def test_what_is_our_own_fault_opens_no_breaker(shop: Shop, error: SignalboxError) -> None:
    fail(shop.gate(shop.connector("orders", rules=STRICT)), 5, error=error)
    assert not Breaker.objects.exists()


def test_one_probe_goes_out_and_a_success_closes_the_breaker(shop: Shop) -> None:
    connector = shop.connector("orders", rules=STRICT)
    fail(shop.gate(connector), 3)
    make_due(Breaker.objects.get())
    probing, other = shop.gate(connector), shop.gate(connector)
    probing.admit()
    assert Breaker.objects.get().state == BreakerState.HALF_OPEN
    assert refused(other.admit).code == BREAKER_OPEN
    probing.report(None)
    other.admit()
    assert Breaker.objects.get().state == BreakerState.CLOSED
    kinds = list(Event.objects.filter(kind__startswith="breaker.").order_by("id").values_list("kind", flat=True))
    assert kinds == ["breaker.opened", "breaker.probing", "breaker.closed"]


def test_a_probe_that_fails_keeps_it_open_as_long_again(shop: Shop) -> None:
    connector = shop.connector("orders", rules=STRICT)
    fail(shop.gate(connector), 3)
    since = Breaker.objects.get().since
    make_due(Breaker.objects.get())
    gate = shop.gate(connector)
    fail(gate, error=RetryLater(UNREACHABLE, "GET /rows: the connection was refused."))
    assert gate.refusal() is not None
    breaker = Breaker.objects.get()
    assert (breaker.state, breaker.since) == ("open", since)
    assert refused(shop.gate(connector).admit).code == BREAKER_OPEN


def test_one_of_many_that_come_at_once_is_the_probe(shop: Shop) -> None:
    connector = shop.connector("orders", rules=STRICT)
    fail(shop.gate(connector), 3)
    make_due(Breaker.objects.get())
    gates = [shop.gate(connector) for _ in range(8)]

    def goes_out(gate: Gate) -> bool:
        try:
            gate.admit()
        except NotYet:
            return False
        return True

    with ThreadPoolExecutor(8) as threads:
        assert sum(threads.map(goes_out, gates)) == 1


def test_a_breaker_opened_by_hand_lets_nothing_through_until_a_hand_closes_it(shop: Shop) -> None:
    connector = shop.connector("orders", rules={"breaker.failure_percent": 0})
    row = breakers.trip(connector=connector)
    assert "Opened by hand." in refused(shop.gate(connector).admit).message
    breakers.reset(breaker=row)
    shop.gate(connector).admit()


def test_a_hand_that_opens_the_breaker_is_seen_by_who_works_already(shop: Shop) -> None:
    connector = shop.connector("orders")
    gate = shop.gate(connector)
    breakers.trip(connector=connector)
    ends_at = time.monotonic() + 10

    def call_on() -> None:
        while time.monotonic() < ends_at:
            gate.admit()

    assert refused(call_on).code == BREAKER_OPEN


def test_other_threads_share_a_gate_and_leave_no_connection_behind(shop: Shop) -> None:
    gate = shop.gate(shop.connector("orders", rules={**STRICT, "budget.requests_per_minute": 6000}))
    with ThreadPoolExecutor(1) as thread:
        thread.submit(fail, gate, 3).result()
    assert gate.refusal() is not None
