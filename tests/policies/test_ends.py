"""An integration has two ends, each under policies of its own: from which end each rule is read, and that it acts."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pyarrow as pa
import pytest
from django.utils import timezone

from accounts.errors import Invalid
from accounts.models import Workspace
from integrations.domain import policy as rules_of
from integrations.domain.lifecycle import RunState
from integrations.domain.policy import RULES, End, FlowPolicy, Level, ReadFrom, Spot, Tighter, Value
from integrations.domain.schedule import ScheduleKind, Timetable
from integrations.errors import UNREACHABLE, RetryLater
from integrations.models import (
    Connector,
    DeadLetter,
    Deployment,
    Freshness,
    IntegrationVersion,
    Policy,
    RuleAction,
    Run,
    Schedule,
)
from integrations.services import policies, retention
from integrations.services.connectors import ConnectorInput, save_connector
from integrations.services.dead_letters import redrive
from integrations.services.freshness import judge_freshness
from integrations.services.maintenance import hold_of
from integrations.services.policy_actions import last_actions
from integrations.services.policy_ends import policy_of_deployment
from integrations.services.policy_places import Proposal
from integrations.services.redriven import RedrivenRecords
from integrations.services.schedules import set_schedule
from integrations.services.simulation import simulate_policy
from integrations.services.ticking import tick
from tests.runs.conftest import Bench
from tests.runs.listed import World


def flow(reading: dict[str, Value], writing: dict[str, Value]) -> FlowPolicy:
    return FlowPolicy(*(rules_of.effective([Level("connector", "P", rules)]) for rules in (reading, writing)))


def masks(*names: str) -> list[dict[str, str]]:
    return [{"field": name, "how": "hash"} for name in names]


@pytest.mark.parametrize(
    ("rule", "reading", "writing", "whole"),
    [
        ("timeout.run_seconds", 600, 60, 60),
        ("timeout.run_seconds", 60, 600, 60),
        ("freshness.longest_minutes", 0, 30, 30),
        ("slo.success_percent", 90, 99, 99),
        ("retention.runs_days", 30, 10, 10),
        ("masking.fields", masks("a"), masks("b"), masks("b", "a")),
        ("approval.activate", False, True, True),
        ("volume.zero", "ignore", "fail", "ignore"),
        ("limit.pages", 9, 3, 9),
        ("redrive.records_per_second", 9, 20, 20),
        ("retry.attempts", 9, 2, 2),
        ("retry.longest_delay_seconds", 300, 60, 60),
        ("retry.longest_delay_seconds", 60, 300, 60),
        ("maintenance.inside", "wait", "skip", "wait"),
    ],
)
def test_what_holds_for_a_run_of_what_its_ends_say(rule: str, reading: Value, writing: Value, whole: Value) -> None:
    assert flow({rule: reading}, {rule: writing}).whole.rules[rule].value == whole


def test_what_one_end_did_is_judged_by_its_own_policy() -> None:
    both = flow({"retry.attempts": 9, "timeout.run_seconds": 99}, {"retry.attempts": 2, "timeout.run_seconds": 60})
    assert [both.at(end).value("retry.attempts") for end in (End.SOURCE, End.DESTINATION, None)] == [9, 2, 2]
    assert both.at(End.SOURCE).value("timeout.run_seconds") == 60


def test_a_rule_that_is_read_from_both_ends_has_a_stricter_side() -> None:
    assert not [r.name for r in RULES.values() if r.read_from is ReadFrom.BOTH and r.tighter is Tighter.NONE]


@pytest.mark.parametrize(
    ("rule", "end", "is_inert"),
    [
        ("limit.pages", End.DESTINATION, True),
        ("limit.pages", End.SOURCE, False),
        ("volume.zero", End.DESTINATION, True),
        ("redrive.records_per_second", End.SOURCE, True),
        ("redrive.records_per_second", End.DESTINATION, False),
        ("maintenance.windows", End.DESTINATION, False),
        ("timeout.read_seconds", End.DESTINATION, False),
    ],
)
def test_a_rule_that_nothing_reads_at_an_end_is_inert_there(rule: str, end: End, is_inert: bool) -> None:
    at = Spot("connector", frozenset({end}))
    assert bool(rules_of.misplaced({rule: RULES[rule].default}, [at])) is is_inert
    assert not rules_of.misplaced({rule: RULES[rule].default}, [at, Spot("integration")])


Ended = Callable[..., Bench]


@pytest.fixture
def written(make_bench: Callable[..., Bench]) -> Ended:
    """A bench whose destination is a connector of its own, under a policy with these rules."""

    def make(**rules: Any) -> Bench:
        bench = make_bench()
        workspace = bench.deployment.workspace
        policy = Policy.objects.create(workspace=workspace, name="Warehouse", rules=rules)
        given = ConnectorInput("warehouse", "listed", {}, policy=policy)
        warehouse = save_connector(workspace=workspace, connector=None, given=given)
        IntegrationVersion.objects.update(destination=warehouse)
        bench.deployment = Deployment.objects.get()
        return bench

    return make


def window() -> list[dict[str, str]]:
    now = timezone.now()
    begins, ends = now - timedelta(hours=1), now + timedelta(hours=2)
    return [{"days": "daily", "from": f"{begins:%H:%M}", "to": f"{ends:%H:%M}", "zone": "UTC"}]


@pytest.mark.parametrize("inside", ["wait", "skip"])
def test_a_window_of_the_destination_keeps_a_schedule(written: Ended, inside: str) -> None:
    bench = written(**{"maintenance.windows": window(), "maintenance.inside": inside})
    set_schedule(deployment=bench.deployment, timetable=Timetable(ScheduleKind.INTERVAL, every_seconds=3600))
    Schedule.objects.update(next_due_at=timezone.now() - timedelta(seconds=5))
    assert tick() == 0
    hold = hold_of(bench.deployment, timezone.now())
    assert hold is not None
    assert hold.waits is (inside == "wait")
    assert not Run.objects.exists()


def test_the_destination_may_ask_for_fresher_data(written: Ended, outside: World) -> None:
    outside.rows = [{"id": 1, "amount": "1"}]
    bench = written(**{"freshness.longest_minutes": 60})
    bench.work(bench.start())
    Run.objects.update(finished_at=timezone.now() - timedelta(hours=2))
    assert judge_freshness() == 1
    assert Freshness.objects.get().longest_minutes == 60


def test_the_destination_may_keep_runs_for_a_shorter_time(written: Ended) -> None:
    bench = written(**{"retention.runs_days": 10})
    for _ in range(3):
        bench.work(bench.start())
    Run.objects.update(finished_at=timezone.now() - timedelta(days=20))
    assert retention.sweep() == 2


def test_the_destination_bounds_what_may_be_set_aside(written: Ended, outside: World) -> None:
    outside.rows = [{"id": n, "amount": "x" if n % 10 == 0 else "1"} for n in range(100)]
    bench = written(**{"tolerance.set_aside_percent": 5})
    assert bench.work(bench.start()).error_code == "too_many_rejected"


def test_letters_are_sent_again_as_fast_as_the_destination_allows(written: Ended, outside: World) -> None:
    outside.rows = [{"id": 1, "amount": "x"}, *({"id": n, "amount": "1"} for n in range(2, 30))]
    bench = written(**{"redrive.records_per_second": 7})
    run = bench.work(bench.start())
    assert DeadLetter.objects.count() == 1
    assert RedrivenRecords(run)._records_per_second() == 7


@pytest.mark.parametrize(("end", "state"), [("source", RunState.QUEUED), ("destination", RunState.FAILED)])
def test_a_run_is_tried_again_as_the_end_that_failed_says(
    written: Ended, outside: World, end: str, state: RunState
) -> None:
    outside.rows = [{"id": 1, "amount": "1"}]
    bench = written(**{"retry.attempts": 1})
    named = str(getattr(IntegrationVersion.objects.get(), f"{end}_id"))
    outside.fail_read_after = [(0, RetryLater(UNREACHABLE, "Away.", connector=named))]
    assert bench.work(bench.start()).state == state


def test_what_failed_at_no_known_end_is_tried_as_the_stricter_end_says(written: Ended, outside: World) -> None:
    outside.rows = [{"id": 1, "amount": "1"}]
    bench = written(**{"retry.attempts": 1})
    outside.fail_write = [("before", RetryLater(UNREACHABLE, "Away."))]
    assert bench.work(bench.start()).state == RunState.FAILED


def test_a_policy_that_cannot_be_used_fails_the_run_with_its_code(written: Ended) -> None:
    bench = written()
    run = bench.start()
    Policy.objects.update(rules={"retry.attempts": "many"})
    bench.work(run)
    assert (run.state, run.error_code) == (RunState.FAILED, "policy_unusable")
    assert "“Warehouse”" in run.error_message


def change(bench: Bench, **rules: Value) -> Policy:
    policy = Policy.objects.get(name="Warehouse")
    return policies.save_policy(
        workspace=bench.deployment.workspace, policy=policy, name=policy.name, description="", rules=rules
    )


def test_a_setting_of_the_source_is_refused_at_a_connector_that_is_only_written(written: Ended) -> None:
    bench = written()
    with pytest.raises(Invalid) as refused:
        change(bench, **{"limit.pages": 5})
    assert "Set it at the connector of the source" in refused.value.fields["limit.pages"]
    IntegrationVersion.objects.update(source=Connector.objects.get(name="warehouse"))
    assert change(bench, **{"limit.pages": 5}).rules == {"limit.pages": 5}


def test_a_policy_is_judged_where_it_meets_the_policy_of_the_destination(written: Ended) -> None:
    bench = written(**{"retry.longest_delay_seconds": 30})
    own = Policy.objects.create(workspace=bench.deployment.workspace, name="Own", rules={})
    bench.deployment.integration.policy = own
    bench.deployment.integration.save()
    with pytest.raises(Invalid) as refused:
        policies.save_policy(
            workspace=own.workspace, policy=own, name="Own", description="", rules={"retry.first_delay_seconds": 60}
        )
    assert "is longer than" in refused.value.fields["retry.first_delay_seconds"]


def test_a_policy_of_the_destination_is_simulated(written: Ended, outside: World) -> None:
    outside.rows = [{"id": n, "amount": "1"} for n in range(3)]
    bench = written()
    bench.work(bench.start())
    rules: dict[str, Value] = {"limit.batch_records": 1, "retry.attempts": 9, "limit.pages": 5}
    policy = Policy.objects.get(name="Warehouse")
    proposal = Proposal(policy.workspace, policy, policy.name, rules, frozenset(), is_default=False)
    made = simulate_policy(proposal=proposal, now=timezone.now())
    assert {each.rule: each.unknown for each in made.findings} == {
        "limit.batch_records": "",
        "retry.attempts": "it changes for one end, and which end's calls failed is not stored with a run",
    }
    assert "would have needed 3 batches" in made.findings[1].differences[0].words


def test_both_ends_of_a_deployment_are_at_hand(written: Ended) -> None:
    bench = written(**{"slo.success_percent": 99})
    found = policy_of_deployment(bench.deployment)
    assert (found.reading.value("slo.success_percent"), found.writing.value("slo.success_percent")) == (0, 99)


@pytest.mark.django_db(transaction=True)
def test_a_slowed_redrive_says_so(written: Ended, outside: World) -> None:
    outside.rows = [{"id": n, "amount": "x" if n < 3 else "1"} for n in range(30)]
    bench = written(**{"redrive.records_per_second": 10})
    bench.work(bench.start())
    run = bench.work(redrive(deployment=bench.deployment, letter_ids=None, user=None))
    assert run.read == 3
    assert "10 a second" in RuleAction.objects.get(rule="redrive.records_per_second").what


def test_a_volume_that_was_warned_of_is_the_last_action_of_its_rules(written: Ended, outside: World) -> None:
    outside.rows = [{"id": n, "amount": "1"} for n in range(40)]
    bench = written()
    for _ in range(5):
        bench.work(bench.start())
    outside.rows = outside.rows[:2]
    run = bench.work(bench.start())
    last = last_actions(workspace=run.workspace, integration=bench.deployment.integration)
    assert last["volume.drop_percent"].what.startswith("warned of a run")
    assert last["volume.unusual"] == last["volume.drop_percent"]


def test_a_column_that_was_noted_is_the_last_action_of_its_rule(written: Ended, outside: World) -> None:
    outside.rows = [{"id": 1, "amount": "1"}]
    bench = written()
    bench.work(bench.start())
    outside.schema = pa.schema([*outside.schema, pa.field("extra", pa.string())])
    bench.work(bench.start())
    assert "noted for review" in RuleAction.objects.get(rule="drift.added").what


@pytest.mark.parametrize(
    ("rules", "refused"),
    [
        ({"budget.burst": 5}, ["budget.burst"]),
        ({"budget.burst": 5, "budget.requests_per_minute": 60}, []),
        ({"maintenance.inside": "skip"}, ["maintenance.inside"]),
        ({"breaker.minimum_calls": 5}, []),
        ({"breaker.minimum_calls": 5, "breaker.failure_percent": 0}, ["breaker.minimum_calls"]),
        ({"volume.unusual": "fail", "volume.drop_percent": 0}, []),
        ({"volume.unusual": "fail", "volume.drop_percent": 0, "volume.rise_percent": 0}, ["volume.unusual"]),
    ],
)
def test_what_shapes_a_rule_that_is_off_is_refused(
    workspace: Workspace, outside: World, rules: dict[str, Value], refused: list[str]
) -> None:
    proposal = Proposal(workspace, None, "New", rules, frozenset(), is_default=True)
    assert list(policies.problems_with(proposal)) == refused


def test_what_shapes_a_rule_that_another_policy_sets_is_taken(workspace: Workspace, outside: World) -> None:
    Policy.objects.create(workspace=workspace, name="Shop", rules={"budget.requests_per_minute": 60})
    proposal = Proposal(workspace, None, "House", {"budget.burst": 5}, frozenset(), is_default=True)
    assert policies.problems_with(proposal) == {}
