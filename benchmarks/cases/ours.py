"""Moves a stream into a PostgreSQL table by Signalbox's own services, in this one process, and prints its figures.

Everything is on that is on in production: the mapping with its checks, a checkpoint in the destination's transaction
and one in the control plane for every batch, the lease's heartbeat. The time is the run's own, from claim to end.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import tempfile
from pathlib import Path
from typing import Any

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


def main() -> None:
    """Set a throw-away instance up, run once, print one line of JSON."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--plugin", required=True)
    parser.add_argument("--settings", required=True, type=json.loads)
    parser.add_argument("--stream", required=True)
    parser.add_argument("--destination", required=True, type=json.loads)
    parser.add_argument("--table", required=True)
    parser.add_argument("--allow", required=True)
    parser.add_argument("--root", required=True)
    parser.add_argument("--mapping", choices=MAPPINGS, default="records")
    parser.add_argument("--signed-in", action="store_true")
    parser.add_argument("--bearer", default="")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.environ |= {
            "SIGNALBOX_DATA": folder,
            "DJANGO_SETTINGS_MODULE": "config.settings",
            "SIGNALBOX_EGRESS_ALLOW": given.allow,
            "SIGNALBOX_FILE_ROOT": str(Path(given.root).resolve().parent),
            "SIGNALBOX_LOG_LEVEL": "WARNING",
        }
        print(json.dumps(measure(given)))


def measure(given: argparse.Namespace) -> dict[str, Any]:
    """Build connectors, mapping and integration; work the run's slices; return its figures."""
    import django

    django.setup()
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    from accounts.models import Workspace
    from accounts.request_context import Actor, acting_as
    from integrations.domain.lifecycle import RunState, Trigger
    from integrations.services import integrations, runs
    from integrations.services.connectors import ConnectorInput, save_connector
    from integrations.services.credentials import create_credential
    from integrations.services.execution import execute_slice

    with acting_as(Actor(system="benchmark")):
        workspace = Workspace.objects.create(slug=Path(given.root).name, name="Bench")
        login = create_credential(
            workspace=workspace,
            name="login",
            kind="basic",
            values={"username": "signalbox", "password": "-"},
            user=None,
        )
        source_login = login if given.signed_in else None
        if given.bearer:
            bearer = {"token": given.bearer}
            source_login = create_credential(workspace=workspace, name="token", kind="bearer", values=bearer, user=None)
        source = save_connector(
            workspace=workspace,
            connector=None,
            given=ConnectorInput("source", given.plugin, given.settings, credential=source_login),
        )
        destination = save_connector(
            workspace=workspace,
            connector=None,
            given=ConnectorInput("destination", "postgres", given.destination, credential=login),
        )
        fields = [
            {"target": target, "expression": expression, "type": kind, "required": required}
            for target, (expression, kind, required) in MAPPINGS[given.mapping].items()
        ]
        flow = integrations.Flow(
            source,
            given.stream,
            destination,
            given.table,
            {"fields": fields, "filter": ""},
            key=("id",),
            primary_key=("id",),
        )
        integration = integrations.create_integration(
            workspace=workspace, name="bench", description="", flow=flow, user=None
        )
        run = runs.start_run(deployment=integration.deployments.get(), trigger=Trigger.MANUAL)
        while execute_slice(run_id=run.pk, worker="benchmark") is RunState.RUNNING:
            pass
    run.refresh_from_db()
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


if __name__ == "__main__":
    main()
