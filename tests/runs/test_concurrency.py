"""How many runs work at once: exact whoever claims, told of once, and shown with what is ahead."""

from __future__ import annotations

from datetime import timedelta
from functools import partial

import pytest
from django.db.models.functions import Now

from accounts.models import Workspace
from integrations.domain.lifecycle import RunState
from integrations.domain.policy import Spot, misplaced
from integrations.models import Connector, Event, Policy, Run
from integrations.services import claims, policies
from integrations.services.claims import Claim
from integrations.services.concurrency import wait_of
from integrations.services.connectors import ConnectorInput, save_connector
from integrations.services.picking import claim_next, reconcile
from tests.runs.crowd import all_at_once, crowd
from tests.runs.databases import either_database, migrated_postgres

__all__ = ["either_database", "migrated_postgres"]
WORKSPACE_RUNS, CONNECTOR_RUNS = "concurrency.workspace_runs", "concurrency.connector_runs"


@pytest.fixture
def db(either_database: str) -> None:
    """Each test here on SQLite and on PostgreSQL."""


def limit(workspace: Workspace, rule: str, most: int) -> Policy:
    return policies.save_policy(
        workspace=workspace, policy=None, name="Few", description="", rules={rule: most}, is_default=True
    )


def another(workspace: Workspace, name: str) -> Connector:
    return save_connector(workspace=workspace, connector=None, given=ConnectorInput(name, "listed", {}))


def claim_all() -> list[Claim]:
    return list(iter(partial(claim_next, worker="test"), None))


def events(kind: str) -> list[str]:
    return list(Event.objects.filter(kind=kind).order_by("id").values_list("message", flat=True))


@pytest.mark.fault("F44")
@pytest.mark.parametrize("rule", [WORKSPACE_RUNS, CONNECTOR_RUNS])
def test_no_more_than_the_policy_allows_work_at_once_whoever_claims(
    workspace: Workspace, connector: Connector, rule: str
) -> None:
    limit(workspace, rule, 3)
    runs = crowd(workspace, connector, 8)
    all_at_once([partial(claims.claim_run, run_id=run.pk, worker=f"worker of {run}") for run in runs])
    assert Run.objects.filter(state=RunState.RUNNING).count() == 3


def test_a_run_that_must_wait_is_taken_when_another_ends(workspace: Workspace, connector: Connector) -> None:
    limit(workspace, WORKSPACE_RUNS, 2)
    runs = crowd(workspace, connector, 3)
    first, second = claim_all()
    assert claim_next(worker="test") is None
    claims.succeed_run(first, warnings=[])
    third = claim_next(worker="test")
    assert third is not None
    assert [first.run_id, second.run_id, third.run_id] == [run.pk for run in runs]


def test_a_lease_that_ran_out_takes_no_place(workspace: Workspace, connector: Connector) -> None:
    limit(workspace, WORKSPACE_RUNS, 1)
    crowd(workspace, connector, 2)
    [dead] = claim_all()
    Run.objects.filter(pk=dead.run_id).update(lease_until=Now() - timedelta(seconds=1))
    assert len(claim_all()) == 1


def test_a_full_connector_keeps_no_run_of_another_waiting(workspace: Workspace, connector: Connector) -> None:
    limit(workspace, CONNECTOR_RUNS, 1)
    busy = crowd(workspace, connector, 300)
    [free] = crowd(Workspace.objects.create(slug="second", name="Second"), another(workspace, "free"), 1)
    Run.objects.filter(pk=free.pk).update(workspace=workspace)
    assert {claim.run_id for claim in claim_all()} == {busy[0].pk, free.pk}


def test_waiting_is_told_once_and_shown_with_what_is_ahead(workspace: Workspace, connector: Connector) -> None:
    limit(workspace, WORKSPACE_RUNS, 1)
    ahead, behind = crowd(workspace, connector, 2)
    [claim] = claim_all()
    assert (reconcile(), claim_next(worker="test")) == (0, None)
    behind.refresh_from_db()
    wait = wait_of(behind)
    assert wait is not None
    assert (wait.ahead, events("run.waiting")) == ([ahead], [wait.sentence])
    assert "one run work in this workspace" in wait.sentence
    claims.succeed_run(claim, warnings=[])
    wait = wait_of(behind)
    assert (wait and wait.ahead, bool(claim_all())) == ([], True)
    behind.refresh_from_db()
    assert (behind.waits_for, wait_of(behind)) == ("", None)


def test_partitions_count_as_the_run_that_they_are_part_of(workspace: Workspace, connector: Connector) -> None:
    limit(workspace, WORKSPACE_RUNS, 1)
    parent, one, two, other = crowd(workspace, connector, 4)
    Run.objects.filter(pk=parent.pk).update(state=RunState.RUNNING, partition_count=2)
    Run.objects.filter(pk__in=[one.pk, two.pk]).update(parent=parent)
    assert {claim.run_id for claim in claim_all()} == {one.pk, two.pk}
    assert Run.objects.get(pk=other.pk).waits_for == WORKSPACE_RUNS


@pytest.mark.parametrize(("rules", "level"), [({WORKSPACE_RUNS: 1}, "workspace"), ({CONNECTOR_RUNS: 1}, "connector")])
def test_a_rule_is_refused_where_nothing_would_act_on_it(
    workspace: Workspace, rules: dict[str, int], level: str
) -> None:
    assert misplaced(rules, [Spot("integration")])
    assert not misplaced(rules, [Spot(level)])
