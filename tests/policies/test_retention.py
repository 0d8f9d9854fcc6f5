"""What the sweep deletes, what it leaves, and what it says about it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from accounts.models import AuditEntry
from integrations.domain.guarantee import Verdict
from integrations.domain.lifecycle import DeadLetterState, RunState
from integrations.models import DeadLetter, Event, Policy, RuleAction, Run, UncertainBatch
from integrations.services import retention
from tests.runs.conftest import Bench
from tests.runs.listed import World

RULES = {"retention.runs_days": 30, "retention.dead_letters_days": 10}


@pytest.fixture
def old(make_bench: Callable[..., Bench], outside: World) -> Bench:
    """Four runs that ended 100 days ago: a failed one, a good one, one with a dead letter, and a cancelled one."""
    bench = make_bench(rules=RULES)
    for number, rows in enumerate(([], [{"id": 1, "amount": "1"}], letter_rows(), [])):
        outside.rows = rows
        run = bench.work(bench.start())
        state = {0: RunState.FAILED, 3: RunState.CANCELLED}.get(number, RunState.SUCCEEDED)
        Run.objects.filter(pk=run.pk).update(state=state, finished_at=days_ago(100))
    return bench


def letter_rows() -> list[dict[str, Any]]:
    return [{"id": 1, "amount": "x"}, *({"id": n, "amount": "1"} for n in range(2, 120))]


def days_ago(days: int) -> Any:
    return timezone.now() - timedelta(days=days)


def states() -> list[str]:
    return list(Run.objects.order_by("id").values_list("state", flat=True))


def test_the_last_run_the_last_success_and_one_with_letters_stay(old: Bench) -> None:
    assert retention.sweep() == 2
    assert states() == ["succeeded", "cancelled"]
    entry = AuditEntry.objects.get(action="retention.swept")
    assert entry.after == {"runs": 2}


def test_a_run_with_a_dead_letter_stays_and_that_is_said(old: Bench, outside: World) -> None:
    outside.rows = [{"id": 1, "amount": "1"}]
    old.work(old.start())
    assert retention.sweep() == 3
    assert Run.objects.filter(dead_letters__isnull=False).exists()
    assert AuditEntry.objects.get(action="retention.swept").after == {"runs": 3, "kept_for_dead_letters": 1}


@pytest.mark.parametrize(
    ("verdict", "after"), [("", {"runs": 1, "kept_for_uncertain_batches": 1}), (Verdict.ONCE, {"runs": 2})]
)
def test_a_run_with_a_batch_that_nobody_has_judged_stays(old: Bench, verdict: str, after: dict[str, int]) -> None:
    failed = Run.objects.get(state=RunState.FAILED)
    UncertainBatch.objects.create(
        workspace=failed.workspace, integration=old.deployment.integration, run=failed, number=1, records=5,
        reason="The answer was lost.", verdict=verdict,
    )  # fmt: skip
    retention.sweep()
    assert AuditEntry.objects.get(action="retention.swept").after == after
    assert UncertainBatch.objects.exists() is (not verdict)


@pytest.mark.parametrize(
    ("state", "days", "is_gone"),
    [
        (DeadLetterState.REDRIVEN, 11, True),
        (DeadLetterState.DISCARDED, 11, True),
        (DeadLetterState.DISCARDED, 9, False),
        (DeadLetterState.OPEN, 11, False),
    ],
)
def test_settled_letters_go_and_open_ones_stay(old: Bench, state: DeadLetterState, days: int, is_gone: bool) -> None:
    DeadLetter.objects.update(state=state, resolved_at=days_ago(days))
    retention.sweep()
    assert DeadLetter.objects.exists() is not is_gone


def test_nothing_goes_before_its_time(old: Bench) -> None:
    Run.objects.update(finished_at=days_ago(29))
    assert retention.sweep() == 0
    assert len(states()) == 4
    assert not AuditEntry.objects.filter(action="retention.swept").exists()


def test_an_active_run_stays_however_old_it_is(old: Bench) -> None:
    first = Run.objects.order_by("id").first()
    assert first is not None
    Run.objects.filter(pk=first.pk).update(state=RunState.QUEUED)
    retention.sweep()
    assert Run.objects.filter(pk=first.pk).exists()


def test_a_sweep_is_bounded_and_the_next_one_goes_on(old: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "BATCH_RUNS", 1)
    monkeypatch.setattr(retention, "BATCHES_AT_MOST", 1)
    assert (retention.sweep(), retention.sweep(), retention.sweep()) == (1, 1, 0)


def test_events_go_by_the_workspace_s_rule(old: Bench) -> None:
    workspace = old.deployment.workspace
    Policy.objects.create(workspace=workspace, name="House", rules={"retention.events_days": 7}, is_default=True)
    kept = Event.objects.order_by("-id").first()
    assert kept is not None
    Event.objects.exclude(pk=kept.pk).update(at=days_ago(8))
    retention.sweep()
    assert list(Event.objects.filter(pk__lte=kept.pk)) == [kept]
    assert RuleAction.objects.get(rule="retention.events_days").scope_id == workspace.pk


def test_the_effective_policy_learns_that_it_acted(old: Bench) -> None:
    retention.sweep()
    action = RuleAction.objects.get(rule="retention.runs_days")
    assert (action.what, action.scope_id) == ("deleted 2 runs", old.deployment.integration_id)
