"""Whose turn it is: workspaces share the workers fairly, and a run is claimed once."""

from __future__ import annotations

import time
from datetime import timedelta
from functools import partial

import pytest
from django.db.models.functions import Now

from accounts.models import Workspace
from integrations.domain.lifecycle import RunState
from integrations.models import Connector, Run
from integrations.services import claims
from integrations.services.connectors import ConnectorInput, save_connector
from integrations.services.picking import claim_next
from tests.runs.crowd import all_at_once, crowd
from tests.runs.databases import either_database, migrated_postgres
from tests.runs.listed import World

__all__ = ["either_database", "migrated_postgres"]


@pytest.fixture
def db(either_database: str) -> None:
    """Each test here on SQLite and on PostgreSQL."""


@pytest.fixture
def other(db: None, outside: World) -> tuple[Workspace, Connector]:
    workspace = Workspace.objects.create(slug="other", name="Other")
    return workspace, save_connector(workspace=workspace, connector=None, given=ConnectorInput("lists", "listed", {}))


def claimed_by(worker: str = "test") -> Run:
    claim = claim_next(worker=worker)
    assert claim is not None
    return Run.objects.get(pk=claim.run_id)


@pytest.mark.fault("F44")
def test_a_workspace_with_one_run_is_not_behind_ten_thousand_of_another(
    workspace: Workspace, connector: Connector, other: tuple[Workspace, Connector]
) -> None:
    crowd(workspace, connector, 10_000, due_seconds_ago=600)
    claimed_by()
    [alone] = crowd(*other, 1, due_seconds_ago=1)
    before = time.monotonic()
    assert claimed_by() == alone
    assert time.monotonic() - before < 1


@pytest.mark.fault("F44")
def test_one_worker_serves_workspaces_in_turn(
    workspace: Workspace, connector: Connector, other: tuple[Workspace, Connector]
) -> None:
    crowd(workspace, connector, 3, due_seconds_ago=600)
    crowd(*other, 3)
    served = []
    for _ in range(6):
        run = claimed_by()
        served.append(run.workspace_id == workspace.pk)
        claims.succeed_run(claims.Claim(run.pk, run.fence), warnings=[])
    assert served == [True, False] * 3


def test_within_a_workspace_the_run_that_is_due_longest_comes_first(workspace: Workspace, connector: Connector) -> None:
    runs = crowd(workspace, connector, 3)
    Run.objects.filter(pk=runs[2].pk).update(next_attempt_at=Now() - timedelta(hours=1))
    assert [claimed_by() for _ in runs] == [runs[2], runs[0], runs[1]]


def test_a_run_that_yields_lets_the_others_go_first(workspace: Workspace, connector: Connector) -> None:
    first, second = crowd(workspace, connector, 2)
    run = claimed_by()
    claims.yield_run(claims.Claim(run.pk, run.fence))
    assert (run, claimed_by(), claimed_by()) == (first, second, first)


def test_what_is_not_due_is_not_claimed(workspace: Workspace, connector: Connector) -> None:
    crowd(workspace, connector, 2, due_seconds_ago=-60)
    assert claim_next(worker="test") is None


@pytest.mark.fault("F1")
def test_a_run_whose_worker_died_is_taken_before_what_became_due_later(
    workspace: Workspace, connector: Connector
) -> None:
    left, _ = crowd(workspace, connector, 2)
    assert claimed_by() == left
    Run.objects.filter(pk=left.pk).update(lease_until=Now() - timedelta(seconds=1))
    again = claimed_by("another")
    assert (again, again.claims, again.worker) == (left, 2, "another")


@pytest.mark.fault("F11")
def test_workers_that_claim_at_once_take_each_run_once(
    workspace: Workspace, connector: Connector, other: tuple[Workspace, Connector]
) -> None:
    crowd(workspace, connector, 5)
    crowd(*other, 5)
    calls = [partial(claim_next, worker=f"worker {number}") for number in range(16)]
    taken = [claim.run_id for claim in all_at_once(calls) if claim]
    assert 1 < len(taken) == len(set(taken))
    while claim_next(worker="last"):
        pass
    assert list(Run.objects.order_by().values_list("state", "claims").distinct()) == [(RunState.RUNNING, 1)]
