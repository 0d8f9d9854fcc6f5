"""Staleness and error budgets: decided from plain values, told once, shown where people look."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from integrations.domain.freshness import stale_since
from integrations.domain.lifecycle import RunState
from integrations.domain.slo import ErrorBudget
from integrations.models import Deployment, Event, Freshness, Policy, RuleAction, Run
from integrations.services.freshness import error_budget, judge_freshness
from integrations.services.policies import effective_policy
from tests.runs.conftest import Bench
from tests.runs.listed import World

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
RULES = {"freshness.longest_minutes": 60, "slo.success_percent": 90}


def ago(minutes: int) -> datetime:
    return NOW - timedelta(minutes=minutes)


@pytest.mark.parametrize(
    ("last", "created", "longest", "since"),
    [
        (ago(61), ago(999), 60, ago(1)),
        (ago(60), ago(999), 60, None),
        (ago(5), ago(999), 60, None),
        (None, ago(90), 60, ago(30)),
        (None, ago(30), 60, None),
        (ago(9999), ago(9999), 0, None),
    ],
)
def test_an_integration_is_stale_when_its_last_success_is_too_old(
    last: datetime | None, created: datetime, longest: int, since: datetime | None
) -> None:
    assert stale_since(last_success=last, created_at=created, longest_minutes=longest, now=NOW) == since


@pytest.mark.parametrize(
    ("target", "succeeded", "failed", "left", "is_met"),
    [
        (90, 10, 0, 100, True),
        (90, 95, 5, 50, True),
        (90, 90, 10, 0, True),
        (90, 80, 20, -100, False),
        (100, 9, 1, -100, False),
        (90, 0, 0, 100, True),
    ],
)
def test_what_is_left_of_an_error_budget(target: float, succeeded: int, failed: int, left: float, is_met: bool) -> None:
    budget = ErrorBudget(target, succeeded, failed)
    assert (round(budget.left_percent, 6), budget.is_met) == (left, is_met)


def test_a_budget_without_runs_has_no_share() -> None:
    assert ErrorBudget(90, 0, 0).success_percent is None
    assert ErrorBudget(90, 3, 1).success_percent == 75


@pytest.fixture
def stale(make_bench: Callable[..., Bench], outside: World) -> Bench:
    """One success, two hours ago."""
    outside.rows = [{"id": 1, "amount": "1"}]
    bench = make_bench(rules=RULES)
    bench.work(bench.start())
    Run.objects.update(finished_at=timezone.now() - timedelta(hours=2))
    return bench


def kinds() -> list[str]:
    return list(
        Event.objects.filter(kind__in=["integration.stale", "integration.fresh"]).values_list("kind", flat=True)
    )


def test_a_change_to_stale_and_back_is_told_once(stale: Bench) -> None:
    assert [judge_freshness() for _ in range(2)] == [1, 0]
    assert Freshness.objects.get().longest_minutes == 60
    stale.work(stale.start())
    assert [judge_freshness() for _ in range(2)] == [1, 0]
    assert kinds() == ["integration.stale", "integration.fresh"]
    assert RuleAction.objects.get(rule="freshness.longest_minutes").what == "found the integration stale"


def test_what_was_fresh_and_is_fresh_costs_no_statement_of_its_own(stale: Bench) -> None:
    stale.work(stale.start())
    with CaptureQueriesContext(connection) as judged:
        judge_freshness()
    assert not [query["sql"] for query in judged.captured_queries if query["sql"].startswith("DELETE")]


def test_what_stays_stale_under_a_changed_policy_names_the_new_bound_and_is_no_news(stale: Bench) -> None:
    judge_freshness()
    Policy.objects.update(rules={"freshness.longest_minutes": 90})
    assert judge_freshness() == 0
    assert (Freshness.objects.get().longest_minutes, kinds()) == (90, ["integration.stale"])


def test_what_is_switched_off_is_not_stale(stale: Bench) -> None:
    Deployment.objects.update(enabled=False)
    assert judge_freshness() == 0


def test_a_success_after_thirty_days_does_not_count_for_the_budget(stale: Bench) -> None:
    for days in (1, 31):
        run = stale.work(stale.start())
        Run.objects.filter(pk=run.pk).update(state=RunState.FAILED, finished_at=timezone.now() - timedelta(days=days))
    deployment = stale.deployment
    policy = effective_policy(workspace=deployment.workspace, integration=deployment.integration)
    budget = error_budget(deployment, policy, timezone.now())
    assert budget == ErrorBudget(90, 1, 1)
    judge_freshness()
    assert "1 of 2 runs failed" in RuleAction.objects.get(rule="slo.success_percent").what


def test_thirty_days_of_runs_are_not_counted_at_each_judgement(stale: Bench) -> None:
    judge_freshness()
    with CaptureQueriesContext(connection) as judged:
        judge_freshness()
    assert not [query["sql"] for query in judged.captured_queries if "COUNT(" in query["sql"]]


def test_without_a_target_there_is_no_budget(bench: Bench) -> None:
    policy = effective_policy(workspace=bench.deployment.workspace)
    assert error_budget(bench.deployment, policy, NOW) is None
