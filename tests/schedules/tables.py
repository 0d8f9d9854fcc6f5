"""An integration from one SQLite file to another, incremental by `changed`, with ten days of orders."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from accounts.models import Workspace
from integrations.domain.lifecycle import RunState, Trigger
from integrations.models import Connector, Deployment, Policy, Run
from integrations.services import integrations, runs
from integrations.services.connectors import ConnectorInput, save_connector
from integrations.services.execution import execute_slice

MAPPING = {
    "fields": [
        {"target": "id", "expression": "id", "type": "integer", "required": True},
        {"target": "changed", "expression": "changed", "type": "timestamp", "required": False},
    ],
    "filter": "",
}
DAYS = 10


@dataclass
class Tables:
    """The two files, and the deployment between them."""

    folder: Path
    deployment: Deployment

    def ask(self, file: str, statement: str, *values: object) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(self.folder / file, isolation_level=None)) as database:
            return database.execute(statement, values).fetchall()

    @property
    def arrived(self) -> list[int]:
        return [row for (row,) in self.ask("out.db", "SELECT id FROM orders ORDER BY rowid")]

    def start(self) -> Run:
        self.deployment.refresh_from_db()
        return runs.start_run(deployment=self.deployment, trigger=Trigger.MANUAL)

    def work(self, run: Run, slices: int = 20) -> Run:
        for _ in range(slices):
            if execute_slice(run_id=run.pk, worker="test") is not RunState.RUNNING:
                break
        run.refresh_from_db()
        return run


def make_tables(folder: Path, workspace: Workspace, **changes: Any) -> Tables:
    """Ten orders, one a day from 1 May 2026, and an integration that appends them in batches of two."""
    folder.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(folder / "in.db", isolation_level=None)) as database:
        database.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY, changed TIMESTAMP)")
        rows = [(day, f"2026-05-{day:02} 08:00:00") for day in range(1, DAYS + 1)]
        database.executemany("INSERT INTO orders VALUES (?, ?)", rows)
    source, destination = (_connector(workspace, name) for name in ("in", "out"))
    values = {"read_mode": "incremental", "cursor_field": "changed", "write_mode": "append", **changes}
    policy = Policy.objects.create(workspace=workspace, name="small", rules={"limit.batch_records": 2})
    flow = integrations.Flow(source, "orders", destination, "orders", MAPPING, **values)
    made = integrations.create_integration(
        workspace=workspace, name="orders", description="", flow=flow, user=None, policy=policy
    )
    deployment = made.deployments.select_related("integration", "workspace", "version__source", "version__destination")
    return Tables(folder, deployment.get())


def _connector(workspace: Workspace, name: str) -> Connector:
    settings = {"path": f"{name}.db", "create_file": name == "out"}
    return save_connector(workspace=workspace, connector=None, given=ConnectorInput(name, "sqlite", settings))
