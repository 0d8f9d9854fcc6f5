"""A workspace whose integration moves records of a list, for the pages of runs and dead letters."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from accounts.models import User
from accounts.request_context import Actor, acting_as
from integrations.connectors import registry
from integrations.domain.lifecycle import RunState, Trigger
from integrations.models import DeadLetter, Deployment, Run
from integrations.services import integrations, runs
from integrations.services.connectors import ConnectorInput, save_connector
from integrations.services.execution import execute_slice
from tests.runs.listed import Listed
from tests.runs.listed import World as Outside
from tests.world import Answer, World, signed_in

MARKUP = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>"
LIVE = {"HX-Request": "true"}
MAPPING = {
    "fields": [
        {"target": "id", "expression": "id", "type": "integer", "required": True},
        {"target": "amount", "expression": "upper(amount)", "type": "decimal(12,2)", "required": False},
    ],
    "filter": "",
}


@dataclass
class Moving:
    """The integration `numbers` of the world, what lies outside it, and a worker."""

    world: World
    outside: Outside
    deployment: Deployment

    def start(self, trigger: Trigger = Trigger.MANUAL, **given: Any) -> Run:
        """Queue a run."""
        self.deployment.refresh_from_db()
        return runs.start_run(deployment=self.deployment, trigger=trigger, **given)

    def work(self, run: Run) -> Run:
        """Work slices until the run ends or waits."""
        for _ in range(20):
            if execute_slice(run_id=run.pk, worker="test") is not RunState.RUNNING:
                break
        run.refresh_from_db()
        return run

    def run(self, good: int = 10, bad: int = 0) -> Run:
        """A run that has ended: `good` records written, `bad` set aside for their amount."""
        rows = [{"id": number, "amount": "1.50"} for number in range(good)]
        rows += [{"id": good + number, "amount": f"about {number}"} for number in range(bad)]
        self.outside.rows = rows
        return self.work(self.start())

    def page(self, path: str = "", user: User | None = None, **given: Any) -> Answer:
        """What a person is answered below the workspace's address."""
        return signed_in(user or self.world.owner).get(self.world.url(path), **given)

    def text(self, path: str = "", user: User | None = None) -> str:
        """The page's text, for a page that is there."""
        response = self.page(path, user)
        assert response.status_code == 200, response.content
        return str(response.content.decode())

    def post(self, path: str, data: dict[str, Any] | None = None, user: User | None = None) -> Answer:
        """What a person is answered to a form."""
        return signed_in(user or self.world.owner).post(self.world.url(path), data or {}, follow=True)

    def letters(self) -> list[DeadLetter]:
        """All dead letters, oldest first."""
        return list(DeadLetter.objects.of(self.world.workspace).order_by("id"))


@pytest.fixture
def moving(world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[Moving]:
    """The listed connector is in the catalogue; hints go nowhere: the test is the worker."""
    monkeypatch.setitem(registry.CONNECTORS, "listed", Listed)
    Listed.world = Outside()
    with acting_as(Actor(system="test")):
        lists = save_connector(workspace=world.workspace, connector=None, given=ConnectorInput("lists", "listed", {}))
        flow = integrations.Flow(lists, "rows", lists, "rows_out", mapping=MAPPING, write_mode="append")
        made = integrations.create_integration(
            workspace=world.workspace, name="numbers", description="", flow=flow, user=None
        )
        yield Moving(world, Listed.world, made.deployments.get())
