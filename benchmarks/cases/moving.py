"""One run by Signalbox's own services, in the set-up that `benchmarks.cases.ours` made: its figures as plain values."""

from __future__ import annotations

import argparse
import resource
from pathlib import Path
from typing import Any

from accounts.models import Workspace
from accounts.request_context import Actor, acting_as
from integrations.domain.lifecycle import RunState, Trigger
from integrations.models import Connector, Credential, Policy, Run
from integrations.services import integrations, runs
from integrations.services.connectors import ConnectorInput, save_connector
from integrations.services.credentials import create_credential
from integrations.services.execution import execute_slice

MAPPING = {
    "id": ("id", "integer", True),
    "customer": ("customer", "integer", True),
    "name": ("trim(name)", "text", True),
    "city": ("upper(city)", "text", False),
    "quantity": ("quantity", "integer", False),
    "price": ("round(price, 2)", "float", True),
    "discount": ("coalesce(discount, 0)", "float", False),
    "active": ("active", "boolean", False),
    "ordered_on": ("ordered_on", "date", True),
    "changed_at": ("changed_at", "timestamp", True),
}


# The sandbox shop's bulk stream has ten columns too, under partly other names.
MAPPINGS = {
    "records": MAPPING,
    "bulk": MAPPING
    | {
        "customer": ("quantity * 1000", "integer", True),
        "discount": ("share", "float", False),
        "ordered_on": ("day", "date", True),
    },
}


def move(given: argparse.Namespace) -> dict[str, Any]:
    """Start a run, work its slices in this process; return its figures."""
    with acting_as(Actor(system="benchmark")):
        run = start(given, {"partitions.most": 1})
        while execute_slice(run_id=run.pk, worker="benchmark") is RunState.RUNNING:
            pass
    run.refresh_from_db()
    return figures(run)


def start(given: argparse.Namespace, rules: dict[str, int]) -> Run:
    """Build connectors, mapping and integration under a policy of these rules, and start a run."""
    with acting_as(Actor(system="benchmark")):
        workspace = Workspace.objects.create(slug=Path(given.root).name, name="Bench")
        source, destination = connectors(workspace, given)
        fields = [
            {"target": target, "expression": expression, "type": kind, "required": required}
            for target, (expression, kind, required) in MAPPINGS[given.mapping].items()
        ]
        mapping = {"fields": fields, "filter": ""}
        ends = (source, given.stream, destination, given.table)
        flow = integrations.Flow(*ends, mapping, key=("id",), primary_key=("id",))
        policy = Policy.objects.create(workspace=workspace, name="bench", rules=rules)
        made = integrations.create_integration(
            workspace=workspace, name="bench", description="", flow=flow, user=None, policy=policy
        )
        return runs.start_run(deployment=made.deployments.get(), trigger=Trigger.MANUAL)


def connectors(workspace: Workspace, given: argparse.Namespace) -> tuple[Connector, Connector]:
    """The two ends: PostgreSQL signs in with a password, the shop with a token."""
    values = {"username": "signalbox", "password": "-"}
    login = create_credential(workspace=workspace, name="login", kind="basic", values=values, user=None)
    source_login: Credential | None = login if given.signed_in else None
    if given.bearer:
        values = {"token": given.bearer}
        source_login = create_credential(workspace=workspace, name="token", kind="bearer", values=values, user=None)
    source = ConnectorInput("source", given.plugin, given.settings, credential=source_login)
    destination = ConnectorInput("destination", "postgres", given.destination, credential=login)
    return (
        save_connector(workspace=workspace, connector=None, given=source),
        save_connector(workspace=workspace, connector=None, given=destination),
    )


def figures(run: Run) -> dict[str, Any]:
    """The run's own time, from claim to end; SystemExit where it did not succeed."""
    if run.state != RunState.SUCCEEDED or run.started_at is None or run.finished_at is None:
        raise SystemExit(f"the run {run.state}: {run.error_message}")
    seconds = (run.finished_at - run.started_at).total_seconds()
    return {
        "rows": run.written,
        "seconds": round(seconds, 3),
        "rows_per_second": round(run.written / seconds),
        "batches": run.batches,
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }
