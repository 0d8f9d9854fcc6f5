"""What tests of remote destinations share: an integration from a list to a hostile server, and a worker that dies."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.db.models.functions import Now

from accounts.models import Workspace
from integrations.domain.guarantee import Guarantee
from integrations.domain.lifecycle import RunState, Trigger
from integrations.faultpoints import armed
from integrations.models import Connector, Deployment, Policy, Run
from integrations.services import integrations, runs
from integrations.services.connectors import ConnectorInput, save_connector
from integrations.services.execution import execute_slice
from tests.faults.hostile import HostileServer
from tests.runs.listed import World

FIELDS = [
    {"target": "id", "expression": "id", "type": "integer", "required": True},
    {"target": "amount", "expression": "amount", "type": "text", "required": False},
]
STREAMS: dict[Guarantee, dict[str, Any]] = {
    Guarantee.IDEMPOTENCY_KEY: {"guarantee": "idempotency_key"},
    Guarantee.UPSERT_VERSIONED: {
        "guarantee": "upsert_versioned",
        "method": "PUT",
        "path": "/versioned/items",
        "version_field": "version",
    },
    Guarantee.APPEND_ONLY: {"guarantee": "append_only"},
}
RESULTS = {"results_path": "results", "result_index": "index", "accepted_path": "accepted"}


class WorkerDied(BaseException):
    """The process is gone: nothing catches it, nothing is tidied up on the way out."""


@dataclass
class Remote:
    """Runs of one deployment into a hostile server."""

    deployment: Deployment
    server: HostileServer
    source: World

    def start(self, trigger: Trigger = Trigger.MANUAL, **given: Any) -> Run:
        self.deployment.refresh_from_db()
        return runs.start_run(deployment=self.deployment, trigger=trigger, **given)

    def slice(self, run: Run) -> RunState | None:
        """Work one slice, whether or not the run waits for its next attempt."""
        Run.objects.filter(pk=run.pk).update(next_attempt_at=Now())
        return execute_slice(run_id=run.pk, worker="test")

    def work(self, run: Run, slices: int = 40) -> Run:
        """Work until the run ends."""
        for _ in range(slices):
            self.slice(run)
            run.refresh_from_db()
            if not run.is_active:
                break
        return run

    def die(self, run: Run, point: str, nth: int = 1) -> bool:
        """Let a worker die when it comes to this point for the n-th time; say whether it came there."""
        seen = Counter[str]()

        def kill(name: str) -> None:
            seen[name] += 1
            if name == point and seen[name] == nth:
                raise WorkerDied(name)

        try:
            with armed(kill):
                self.slice(run)
        except WorkerDied:
            return True
        finally:
            self.expire(run)
        return False

    def expire(self, run: Run) -> None:
        """Let the lease of a worker that is gone run out."""
        Run.objects.filter(pk=run.pk, state=RunState.RUNNING).update(lease_until=Now() - timedelta(seconds=1))

    def ids(self) -> list[int]:
        """The ids of what the destination holds, doubles included."""
        return sorted(record["id"] for record in self.server.store.contents())


def make_remote(
    workspace: Workspace, lists: Connector, source: World, server: HostileServer, guarantee: Guarantee, **changes: Any
) -> Remote:
    """An integration that sends the source's rows to the server, three a request, two requests a batch."""
    rules, flow_changes = changes.pop("rules", {}), changes.pop("flow", {})
    write = {"records_per_request": 3, "record_path": "items", **STREAMS[guarantee], **changes}
    stream = {"name": "items", "path": "/items", "read": False, "write": write}
    settings = {"base_url": server.url, "streams": [stream]}
    destination = save_connector(
        workspace=workspace, connector=None, given=ConnectorInput(f"api {guarantee}", "rest_api", settings)
    )
    versioned = guarantee is Guarantee.UPSERT_VERSIONED
    mode = {"write_mode": "upsert", "key": ["id"]} if versioned else {"write_mode": "append", "key": []}
    values = {"mapping": {"fields": FIELDS, "filter": ""}, **mode, **flow_changes}
    flow = integrations.Flow(lists, "rows", destination, "items", **values)
    quick = {"retry.attempts": 20, "retry.first_delay_seconds": 0.1, "retry.longest_delay_seconds": 1}
    policy = Policy.objects.create(workspace=workspace, name=f"patient {guarantee}", rules={**quick, **rules})
    integration = integrations.create_integration(
        workspace=workspace, name=str(guarantee).replace("_", "-"), description="", flow=flow, user=None, policy=policy
    )
    return Remote(integration.deployments.get(), server, source)


MakeRemote = Callable[..., Remote]
