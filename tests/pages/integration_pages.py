"""Makes integrations over lists for the tests of their pages, and the form that the editor sends."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, ClassVar

import pytest

from accounts.models import Workspace
from accounts.request_context import Actor, acting_as
from integrations.connectors import registry
from integrations.connectors.base import PluginSpec, Stream
from integrations.domain.lifecycle import Trigger
from integrations.errors import RATE_LIMITED, RetryLater
from integrations.models import Connector, DeadLetter, Deployment, Run
from integrations.services import integrations, runs
from integrations.services.connectors import ConnectorInput, save_connector
from tests.runs.listed import Listed
from tests.runs.listed import World as Outside

ROWS = [{"id": 1, "amount": "12.50"}, {"id": 2, "amount": "a lot"}, {"id": 3, "amount": "3"}]


class Busy(Listed):
    """Says at every question that it is asked too often."""

    spec: ClassVar[PluginSpec] = PluginSpec("busy", "Busy", "Rows of a test", "list", (), reads=True)

    def discover(self) -> Sequence[Stream]:
        raise RetryLater(RATE_LIMITED, "The shop asks to slow down.")

    def describe(self, stream: str) -> Stream:
        raise RetryLater(RATE_LIMITED, f"The shop asks to slow down at {stream}.")


@pytest.fixture
def outside(monkeypatch: pytest.MonkeyPatch) -> Iterator[Outside]:
    """Two more plugins in the catalogue, one over a fresh world with three records, one that is always busy."""
    monkeypatch.setitem(registry.CONNECTORS, "listed", Listed)
    monkeypatch.setitem(registry.CONNECTORS, "busy", Busy)
    Listed.world = Outside(rows=list(ROWS))
    with acting_as(Actor(system="test")):
        yield Listed.world


def connector(workspace: Workspace, name: str = "lists", plugin: str = "listed") -> Connector:
    """The connector of that name, made where there is none."""
    found = Connector.objects.of(workspace).filter(name=name).first()
    return found or save_connector(workspace=workspace, connector=None, given=ConnectorInput(name, plugin, {}))


def fields(*rules: tuple[str, str, str]) -> list[dict[str, Any]]:
    """Fields as (target, expression, type)."""
    return [{"target": t, "expression": e, "type": kind, "required": False} for t, e, kind in rules]


def flow(workspace: Workspace, **changes: Any) -> integrations.Flow:
    """Rows to rows_out by id, with what a test changes."""
    mapping = {"fields": fields(("id", "id", "integer"), ("amount", "amount", "text")), "filter": ""}
    ends = {"source": connector(workspace), "destination": connector(workspace)}
    return integrations.Flow(
        **{
            **ends,
            "source_stream": "rows",
            "destination_stream": "rows_out",
            "key": ("id",),
            "mapping": mapping,
            **changes,
        }
    )


def make(workspace: Workspace, name: str = "numbers", **changes: Any) -> Deployment:
    """An integration, and its deployment."""
    description = changes.pop("description", "")
    made = integrations.create_integration(
        workspace=workspace, name=name, description=description, flow=flow(workspace, **changes), user=None
    )
    return made.deployments.get()


def run_of(deployment: Deployment, state: str = "succeeded", **counts: int) -> Run:
    """A run in a state, with counts."""
    run = runs.start_run(deployment=deployment, trigger=Trigger.MANUAL)
    counts = {"read": sum(counts.values()), **counts}
    Run.objects.filter(pk=run.pk).update(state=state, **counts)
    run.refresh_from_db()
    return run


def letter_of(run: Run) -> DeadLetter:
    """An open dead letter of a run; nothing here reads its payload."""
    return DeadLetter.objects.create(
        workspace=run.workspace,
        integration=run.deployment.integration,
        run=run,
        batch_number=1,
        code="conversion_failed",
        reason="x",
        payload="-",
    )


def form(workspace: Workspace, *rules: tuple[str, str, str], **changes: Any) -> dict[str, Any]:
    """What the editor posts: rows by name, the first of them the key."""
    rows = rules or (("id", "id", "integer"), ("amount", "amount", "text"))
    values: dict[str, Any] = {
        "name": "numbers",
        "source": str(connector(workspace).pk),
        "source_stream": "rows",
        "read_mode": "full",
        "destination": str(connector(workspace).pk),
        "destination_stream": "rows_out",
        "write_mode": "upsert",
        "filter": "",
        "schedule": "",
        "activate": "on",
        "row": [f"r{number}" for number in range(len(rows))],
        "key-r0": "on",
    }
    for number, (target, expression, kind) in enumerate(rows):
        values |= {f"target-r{number}": target, f"expression-r{number}": expression, f"type-r{number}": kind}
    return {**values, **changes}
