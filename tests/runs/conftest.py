"""A deployment over lists, and a worker that works its runs without a broker."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from accounts.models import Workspace
from accounts.request_context import Actor, acting_as
from integrations.connectors import registry
from integrations.domain.lifecycle import RunState, Trigger
from integrations.models import Connector, Deployment, Policy, Run
from integrations.services import integrations, runs
from integrations.services.connectors import ConnectorInput, save_connector
from integrations.services.execution import execute_slice
from tests.runs.listed import Listed, World

MAPPING = {
    "fields": [
        {"target": "id", "expression": "id", "type": "integer", "required": True},
        {"target": "amount", "expression": "amount", "type": "decimal(12,2)", "required": False},
    ],
    "filter": "",
}


@pytest.fixture
def outside(monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """Put the listed connector into the catalogue, over a fresh world; hints go nowhere: the test is the worker."""
    monkeypatch.setitem(registry.CONNECTORS, "listed", Listed)
    Listed.world = World()
    with acting_as(Actor(system="test")):
        yield Listed.world


@pytest.fixture
def workspace(db: None) -> Workspace:
    return Workspace.objects.create(slug="acme", name="Acme")


@pytest.fixture
def connector(workspace: Workspace, outside: World) -> Connector:
    return save_connector(workspace=workspace, connector=None, given=ConnectorInput("lists", "listed", {}))


@dataclass
class Bench:
    """Starts and works runs of one deployment."""

    deployment: Deployment

    def start(self, trigger: Trigger = Trigger.MANUAL, **given: Any) -> Run:
        self.deployment.refresh_from_db()
        return runs.start_run(deployment=self.deployment, trigger=trigger, **given)

    def work(self, run: Run, slices: int = 20) -> Run:
        """Work slices until the run ends or waits for its next attempt."""
        for _ in range(slices):
            state = execute_slice(run_id=run.pk, worker="test")
            if state is not RunState.RUNNING:
                break
        run.refresh_from_db()
        return run


@pytest.fixture
def make_bench(workspace: Workspace, connector: Connector) -> Callable[..., Bench]:
    def make(**changes: Any) -> Bench:
        rules = changes.pop("rules", {})
        values = {"mapping": MAPPING, "write_mode": "append", **changes}
        flow = integrations.Flow(connector, "rows", connector, "rows_out", **values)
        policy = Policy.objects.create(workspace=workspace, name="strict", rules=rules) if rules else None
        integration = integrations.create_integration(
            workspace=workspace, name="numbers", description="", flow=flow, user=None, policy=policy
        )
        return Bench(integration.deployments.get())

    return make


@pytest.fixture
def bench(make_bench: Callable[..., Bench]) -> Bench:
    return make_bench()
