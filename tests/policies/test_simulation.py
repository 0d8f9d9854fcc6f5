"""What a changed policy would have made different: judged from facts, gathered from rows."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.utils import timezone

from integrations.domain import policy as rules_of
from integrations.domain.lifecycle import RunState
from integrations.domain.mapping import FieldRule, Mapping
from integrations.domain.policy import FlowPolicy, Level, Value
from integrations.domain.simulation import Finding, RunFacts, Subject, simulate
from integrations.errors import UNREACHABLE, RetryLater
from integrations.models import Policy, Run
from integrations.services.policy_places import Proposal
from integrations.services.simulation import Simulation, simulate_policy
from tests.runs.conftest import Bench
from tests.runs.listed import World

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
MAPPING = Mapping((FieldRule.of("contact", "email", "text"),))


def fact(**changes: Any) -> RunFacts:
    ended = changes.pop("finished_at", NOW - timedelta(hours=1))
    seconds = changes.pop("seconds", 60)
    values: dict[str, Any] = {
        "id": uuid4(),
        "state": "succeeded",
        "trigger": "schedule",
        "error_code": "",
        "created_at": ended - timedelta(seconds=seconds),
        "due_at": None,
        "started_at": ended - timedelta(seconds=seconds),
        "finished_at": ended,
        "read": 1000,
        "written": 1000,
        "set_aside": 0,
    }
    return RunFacts(**{**values, **changes})


def found(before: dict[str, Value], after: dict[str, Value], *runs: RunFacts) -> dict[str, Finding]:
    was, would = (rules_of.effective([Level("workspace", "House", rules)]) for rules in (before, after))
    changed = FlowPolicy(was, was).changed_to(FlowPolicy(would, would))
    return {each.rule: each for each in simulate([Subject("orders", uuid4(), was, would, runs, MAPPING, changed)], NOW)}


@pytest.mark.parametrize(
    ("rule", "before", "after", "run", "words"),
    [
        ("tolerance.set_aside_percent", 20, 5, {"set_aside": 80}, "would have failed: 8.0 %"),
        ("tolerance.set_aside_percent", 20, 5, {"set_aside": 40}, None),
        ("tolerance.set_aside_percent", 20, 5, {"set_aside": 8, "read": 99}, None),
        ("tolerance.set_aside_percent", 5, 20, {"set_aside": 80, "state": "failed", "error_code": "too_many_rejected"},
         "would not have failed"),
        ("tolerance.set_aside_percent", 5, 20, {"set_aside": 80, "state": "failed", "error_code": "timed_out"}, None),
        ("timeout.run_seconds", 3600, 600, {"seconds": 601}, "would have been stopped after 600 s"),
        ("timeout.run_seconds", 3600, 600, {"seconds": 600}, None),
        ("timeout.run_seconds", 600, 3600, {"seconds": 700, "state": "failed", "error_code": "timed_out"},
         "would have had 3000 s more"),
        ("timeout.run_seconds", 3600, 600, {"started_at": None}, None),
        ("retry.attempts", 5, 2, {"tries": 3}, "would have failed after 2 attempts; it made 3 and succeeded"),
        ("retry.attempts", 5, 2, {"tries": 2}, None),
        ("retry.attempts", 2, 5, {"tries": 2, "state": "failed"}, "up to 3 times more"),
        ("retry.attempts", 2, 5, {"tries": 1, "state": "failed"}, None),
        ("retry.longest_delay_seconds", 300, 60, {"waits": (90.0, 10.0)}, "would have waited 60 s at most"),
        ("retry.longest_delay_seconds", 300, 60, {"waits": (50.0,)}, None),
        ("retry.longest_retry_after_seconds", 300, 60, {"waits": (90.0,)}, "it waited 90 s"),
        ("limit.batch_records", 50_000, 100, {}, "would have needed 10 batches at least; 1 was enough"),
        ("limit.batch_records", 100, 50_000, {}, None),
        ("limit.pages", 10, 20, {"state": "failed", "error_code": "page_limit"}, "failed at the old limit"),
        ("limit.answer_megabytes", 10, 5, {"state": "failed", "error_code": "answer_too_large"}, None),
        ("freshness.longest_minutes", 0, 30, {}, "would have been followed by 30 min of staleness"),
        ("freshness.longest_minutes", 0, 61, {}, None),
        ("freshness.longest_minutes", 30, 0, {}, None),
        ("volume.zero", "fail", "ignore", {"read": 0, "is_whole": True, "state": "failed"}, None),
    ],
)  # fmt: skip
def test_which_runs_would_have_gone_otherwise(
    rule: str, before: Value, after: Value, run: dict[str, Any], words: str | None
) -> None:
    finding = found({rule: before}, {rule: after}, fact(**run))[rule]
    assert [words in each.words for each in finding.differences if words] == ([True] if words else [])
    assert bool(finding.differences) == bool(words)


def test_volume_is_judged_by_the_successes_before() -> None:
    runs = [fact(is_whole=True, read=100, finished_at=NOW - timedelta(hours=9 - n)) for n in range(6)]
    low = fact(is_whole=True, read=40)
    finding = found({}, {"volume.drop_percent": 50, "volume.unusual": "fail"}, *runs, low)
    assert [each.run for each in finding["volume.drop_percent"].differences] == [low]
    assert (
        "would have been warned of; with what held it was taken" in finding["volume.drop_percent"].differences[0].words
    )
    assert finding["volume.unusual"].differences == ()


def test_masks_name_the_records_that_would_have_gone_out_otherwise() -> None:
    after: dict[str, Value] = {"masking.fields": [{"field": "email", "how": "hash"}]}
    finding = found({}, after, fact(written=7), fact(written=0))["masking.fields"]
    assert [each.words for each in finding.differences] == ["would have sent its 7 records with contact (hash)"]


def test_a_target_is_a_note_about_the_integration() -> None:
    runs = [fact(), fact(state="failed")]
    assert found({}, {"slo.success_percent": 60}, *runs)["slo.success_percent"].notes == (
        "orders: 50.0 % of 2 runs succeeded; missed",
    )
    assert "no run ended" in found({}, {"slo.success_percent": 60})["slo.success_percent"].notes[0]


@pytest.mark.parametrize(
    "rule", ["timeout.read_seconds", "retry.first_delay_seconds", "limit.pages", "budget.concurrent"]
)
def test_what_was_not_stored_is_said_to_be_unknown(rule: str) -> None:
    finding = found({}, {rule: 7}, fact())[rule]
    assert finding.unknown != ""
    assert finding.differences == ()


def test_what_does_not_change_is_not_found() -> None:
    assert found({"retry.attempts": 5}, {}, fact(tries=9)) == {}


def propose(bench: Bench, **rules: Value) -> Simulation:
    policy = Policy.objects.get()
    given = {name.replace("__", "."): value for name, value in rules.items()}
    proposal = Proposal(bench.deployment.workspace, policy, policy.name, given, frozenset(), is_default=False)
    return simulate_policy(proposal=proposal, now=timezone.now())


@pytest.fixture
def judged(make_bench: Callable[..., Bench], outside: World) -> Bench:
    """A run with 10 % set aside that was tried twice, and one from before the window."""
    outside.rows = [{"id": n, "amount": "x" if n % 10 == 0 else "1"} for n in range(200)]
    bench = make_bench(rules={"retry.attempts": 4, "retry.first_delay_seconds": 0})
    bench.work(bench.start())
    Run.objects.update(created_at=timezone.now() - timedelta(days=31))
    outside.fail_read_after = [(0, RetryLater(UNREACHABLE, "Away.", retry_after_seconds=0))]
    run = bench.start()
    for _ in range(2):
        bench.work(run)
    return bench


def test_the_runs_of_thirty_days_are_tried(judged: Bench) -> None:
    made = propose(judged, retry__attempts=1, tolerance__set_aside_percent=5)
    newest = Run.objects.order_by("-id")[0]
    assert newest.state == RunState.SUCCEEDED
    assert (made.runs, made.integrations, made.is_cut) == (1, 1, False)
    by_rule = {each.rule: [(each.run.id, each.words) for each in each.differences] for each in made.findings}
    assert by_rule["tolerance.set_aside_percent"] == [
        (newest.pk, "would have failed: 10.0 % of its records were set aside")
    ]
    assert by_rule["retry.attempts"] == [(newest.pk, "would have failed after 1 attempt; it made 2 and succeeded")]


def test_a_policy_that_holds_for_nothing_changes_nothing(judged: Bench) -> None:
    proposal = Proposal(judged.deployment.workspace, None, "New", {"retry.attempts": 1}, frozenset(), is_default=False)
    assert simulate_policy(proposal=proposal, now=timezone.now()).findings == ()


def test_a_new_default_holds_for_all_that_says_nothing_itself(judged: Bench) -> None:
    rules: dict[str, Value] = {"retry.attempts": 1, "tolerance.set_aside_percent": 5}
    proposal = Proposal(judged.deployment.workspace, None, "House", rules, frozenset(), is_default=True)
    made = simulate_policy(proposal=proposal, now=timezone.now())
    assert [each.rule for each in made.findings] == ["tolerance.set_aside_percent"]


def test_retention_counts_what_would_go(judged: Bench) -> None:
    Run.objects.filter(created_at__lt=timezone.now() - timedelta(days=30)).update(
        finished_at=timezone.now() - timedelta(days=31)
    )
    made = propose(judged, retention__runs_days=30, retry__attempts=4, retry__first_delay_seconds=0)
    assert [each.notes for each in made.findings] == [("numbers: 1 more runs would be deleted by the next sweep",)]
