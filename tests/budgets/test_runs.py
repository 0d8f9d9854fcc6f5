"""Runs whose other system asks to slow down or fails for long: they wait, hold no worker, and lose no attempt."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import LazySettings
from django.db.models.functions import Now
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from integrations.domain.lifecycle import RunState, Trigger
from integrations.errors import BREAKER_OPEN, RATE_LIMITED, SLOTS_TAKEN, TIMED_OUT, UNREACHABLE
from integrations.models import Breaker, Budget, BudgetSlot, Event, Policy, Run
from integrations.services import breakers, integrations, runs, waiting
from integrations.services.connectors import ConnectorInput, save_connector
from integrations.services.execution import execute_slice
from integrations.services.gate import SLOT_PATIENCE_SECONDS
from tests.budgets.conftest import Shop

MAPPING = {"fields": [{"target": "id", "expression": "id", "type": "integer", "required": True}], "filter": ""}
BREAKER = {"breaker.minimum_calls": 3, "breaker.open_seconds": 1, "retry.first_delay_seconds": 0, "retry.attempts": 5}


class System:
    """The other system: answers each call with the next of `answers`, then with rows; remembers when it was called."""

    def __init__(self, server: HTTPServer) -> None:
        self.answers: list[Response] = []
        self.always: Response | None = None
        self.called_at: list[float] = []
        server.expect_request("/rows").respond_with_handler(self.answer)

    def answer(self, _: Request) -> Response:
        self.called_at.append(time.monotonic())
        if self.always is not None:
            return self.always
        return self.answers.pop(0) if self.answers else Response('[{"id": 1}, {"id": 2}]', mimetype="application/json")


def busy(retry_after: str | None) -> Response:
    return Response("", 429, {"Retry-After": retry_after} if retry_after is not None else {})


@pytest.fixture
def system(httpserver: HTTPServer, shop: Shop, settings: LazySettings, tmp_path: Path) -> Iterator[System]:
    settings.EGRESS_ALLOW = [f"127.0.0.1:{httpserver.port}"]
    settings.FILE_ROOT = str(tmp_path)
    shop.url = f"http://127.0.0.1:{httpserver.port}"
    yield System(httpserver)
    httpserver.clear()


def queue(shop: Shop, name: str = "rows", rules: dict[str, Any] | None = None) -> Run:
    """A queued run from the other system into a file, under a policy of its own."""
    source = shop.connector(f"source of {name}")
    given = ConnectorInput(f"target of {name}", "files", {"format": "csv"})
    target = save_connector(workspace=shop.workspace, connector=None, given=given)
    policy = Policy.objects.create(workspace=shop.workspace, name=f"of run {name}", rules=rules or {})
    flow = integrations.Flow(source, "rows", target, f"{name}.csv", MAPPING, write_mode="append")
    made = integrations.create_integration(
        workspace=shop.workspace, name=name, description="", flow=flow, user=None, policy=policy
    )
    return runs.start_run(deployment=made.deployments.get(), trigger=Trigger.MANUAL)


def work(run: Run) -> Run:
    execute_slice(run_id=run.pk, worker="test")
    run.refresh_from_db()
    return run


def work_when_due(run: Run, until_state: RunState, seconds: float) -> Run:
    """Work the run each time that it is due, for a bounded time."""
    ends_at = time.monotonic() + seconds
    while run.state != until_state and time.monotonic() < ends_at:
        work(run)
    return run


def seconds_until_due(run: Run) -> float:
    row = Run.objects.annotate(now=Now()).get(pk=run.pk)
    return float((row.next_attempt_at - row.now).total_seconds())


@pytest.mark.fault("F21")
@pytest.mark.parametrize(("retry_after", "least", "most"), [("60", 50, 67), ("999999999", 3500, 3600)])
def test_a_429_gives_the_worker_back_at_once_and_uses_up_no_attempt(
    shop: Shop, system: System, retry_after: str, least: float, most: float
) -> None:
    run = queue(shop)
    system.answers = [busy(retry_after)]
    began = time.monotonic()
    work(run)
    assert time.monotonic() - began < 5
    assert (run.state, run.attempt, run.error_code) == (RunState.QUEUED, 0, RATE_LIMITED)
    assert least < seconds_until_due(run) < most
    assert Event.objects.filter(run_id=run.pk, kind="run.waiting").count() == 1


@pytest.mark.fault("F21")
def test_all_that_share_the_credential_wait_for_one_429(shop: Shop, system: System) -> None:
    first, others = queue(shop, "first"), [queue(shop, f"other-{number}") for number in range(3)]
    system.answers = [busy("120")]
    work(first)
    for other in others:
        work(other)
        assert (other.state, other.error_code) == (RunState.QUEUED, RATE_LIMITED)
    assert len(system.called_at) == 1


@pytest.mark.fault("F21")
@pytest.mark.parametrize("retry_after", [None, "-5", "soon", "Thu, 01 Jan 1970 00:00:00 GMT"])
def test_a_burst_of_429s_without_a_usable_time_ends_in_a_run_that_succeeds(
    shop: Shop, system: System, retry_after: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The product's five seconds, four times over, would only make this test long.
    monkeypatch.setattr(waiting, "UNNAMED_SECONDS", 0.5)
    run = queue(shop, rules={"retry.first_delay_seconds": 0, "retry.attempts": 3})
    system.answers = [busy(retry_after) for _ in range(4)]
    work_when_due(run, RunState.SUCCEEDED, 60)
    assert (run.state, run.read, run.attempt) == (RunState.SUCCEEDED, 2, 0)


@pytest.mark.fault("F22")
def test_ten_minutes_of_500s_send_at_most_one_probe_in_the_time_that_the_breaker_stays_open(
    shop: Shop, system: System
) -> None:
    """Twenty times 30 s, pressed into eight times 1 s."""
    run = queue(shop, rules=BREAKER)
    system.always = Response("", 500)
    work_when_due(run, RunState.FAILED, 8)
    breaker = Breaker.objects.get()
    assert (run.state, run.error_code, breaker.state) == (RunState.QUEUED, BREAKER_OPEN, "open")
    probes = list(system.called_at[3:])
    assert 3 <= len(probes) <= 9
    assert all(later - earlier >= 1.0 for earlier, later in itertools.pairwise(probes))
    assert run.attempt <= 1
    system.always = None
    work_when_due(run, RunState.SUCCEEDED, 20)
    assert (run.state, run.read) == (RunState.SUCCEEDED, 2)
    assert Breaker.objects.get().state == "closed"


@pytest.mark.fault("F22")
def test_runs_of_an_open_breaker_send_nothing_and_wait(shop: Shop, system: System) -> None:
    waiting = [queue(shop, f"run-{number}") for number in range(3)]
    row = breakers.trip(connector=waiting[0].version.source)
    for run in waiting:
        work(run)
        assert (run.state, run.attempt, run.claims_without_progress) == (RunState.QUEUED, 0, 0)
        assert run.error_message.endswith("Opened by hand.")
    assert system.called_at == []
    breakers.reset(breaker=row)
    for run in waiting:
        assert seconds_until_due(Run.objects.get(pk=run.pk)) <= 0
        assert work(run).state == RunState.SUCCEEDED


def test_a_run_that_waits_longer_than_a_run_may_take_fails_and_says_why(shop: Shop, system: System) -> None:
    run = queue(shop, rules={"timeout.run_seconds": 10, "timeout.connect_seconds": 5, "timeout.read_seconds": 5})
    breakers.trip(connector=run.version.source)
    Run.objects.filter(pk=run.pk).update(started_at="2026-01-01T00:00:00Z")
    work(run)
    assert (run.state, run.error_code) == (RunState.FAILED, TIMED_OUT)
    assert "Opened by hand." in run.error_message


def test_a_run_without_a_slot_stands_in_line_and_is_called_when_one_is_free(shop: Shop, system: System) -> None:
    run = queue(shop, rules={"budget.concurrent": 1})
    leave = shop.gate(run.version.source).enter()
    began = time.monotonic()
    work(run)
    assert time.monotonic() - began < SLOT_PATIENCE_SECONDS + 4
    assert (run.state, run.error_code, run.attempt) == (RunState.QUEUED, SLOTS_TAKEN, 0)
    assert BudgetSlot.objects.filter(is_waiting=True, run=run).count() == 1
    leave()
    assert seconds_until_due(run) <= 0
    assert work(run).state == RunState.SUCCEEDED
    assert not BudgetSlot.objects.exists()


@pytest.mark.parametrize(("code", "is_called"), [(SLOTS_TAKEN, True), (UNREACHABLE, False)])
def test_a_free_slot_calls_who_waits_for_it_and_cuts_no_backoff_short(
    shop: Shop, system: System, code: str, is_called: bool
) -> None:
    run = queue(shop, rules={"budget.concurrent": 1})
    leave = shop.gate(run.version.source).enter()
    work(run)
    Run.objects.filter(pk=run.pk).update(attempt=2, error_code=code)
    leave()
    assert (seconds_until_due(run) <= 0) is is_called


def test_the_slot_of_a_worker_that_died_comes_back_with_its_claim(shop: Shop, system: System) -> None:
    run = queue(shop, rules={"budget.concurrent": 1})
    dead = queue(shop, "dead")
    Run.objects.filter(pk=dead.pk).update(state=RunState.RUNNING, fence=1, lease_until=Now())
    budget = Budget.objects.create(workspace=shop.workspace, credential=shop.login)
    BudgetSlot.objects.create(budget=budget, run=dead, fence=1)
    assert work(run).state == RunState.SUCCEEDED
