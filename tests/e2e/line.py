"""A line from any source into a real PostgreSQL table: real connectors, worked slice by slice without a broker."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg

from accounts.models import Workspace
from integrations.domain.lifecycle import ACTIVE_STATES, Trigger
from integrations.models import Connector, Credential, Deployment, Policy, Run
from integrations.services import continuation, integrations, runs
from integrations.services.connectors import ConnectorInput, file_root_of, save_connector
from integrations.services.credentials import create_credential
from integrations.services.execution import execute_slice
from tests.servers import PostgresFolder, Server

BATCH = 10
FIELDS = [{"target": "id", "expression": "id", "type": "integer", "required": True}]
RULES = {"retry.attempts": 3, "retry.first_delay_seconds": 0, "limit.batch_records": BATCH}
SLICES_AT_MOST = 50
# The role that a test gives a password, in place of the trust that the server's other connections have.
GUARDED = "host all guarded 127.0.0.1/32 scram-sha-256\n"


def address_of(port: int) -> dict[str, Any]:
    """The settings of a connector to the server on that port."""
    return {"host": "127.0.0.1", "port": port, "database": "postgres"}


@dataclass
class Destination:
    """A PostgreSQL of its own that a test switches off and on again; it keeps its port and its data."""

    folder: PostgresFolder
    _server: Server | None = None
    _running: ExitStack = field(default_factory=ExitStack)

    @classmethod
    def make(cls, path: Path) -> Destination:
        """Initialise a server whose role `guarded` has to give a password."""
        folder = PostgresFolder.make(path)
        rules = path / "pg_hba.conf"
        rules.write_text(GUARDED + rules.read_text())
        return cls(folder)

    def start(self) -> None:
        """Start the server and wait for it."""
        self._server = self._running.enter_context(self.folder.running())

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """End the server: SIGINT as its operator does, SIGQUIT at once, which leaves it to its own recovery."""
        if self._server is not None:
            os.kill(self._server.pid, how)
            self._server = None
        self._running.close()

    def ask(self, statement: str) -> list[tuple[Any, ...]]:
        """What a statement returns, outside of every run."""
        with psycopg.connect(self.folder.url, autocommit=True) as connection:
            cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []


@dataclass
class Line:
    """One integration from `source` to the table `records` of the destination; `run` works its runs."""

    workspace: Workspace
    destination: Destination
    target: Connector
    deployment: Deployment | None = None

    @property
    def files(self) -> Path:
        """The folder that the workspace's connectors may use."""
        return file_root_of(self.workspace)

    def connector(self, name: str, plugin: str, credential: Credential | None = None, **settings: Any) -> Connector:
        """Make a connector, or give the one of that name other settings."""
        existing = Connector.objects.filter(workspace=self.workspace, name=name).first()
        given = ConnectorInput(name, plugin, settings, credential=credential)
        return save_connector(workspace=self.workspace, connector=existing, given=given)

    def credential(self, kind: str, **values: str) -> Credential:
        """Store a credential."""
        return create_credential(workspace=self.workspace, name=kind, kind=kind, values=values, user=None)

    def join(self, source: Connector, stream: str, **changes: Any) -> None:
        """Make the integration: append, so that a record that comes twice is seen."""
        policy = Policy.objects.create(
            workspace=self.workspace, name="test", rules={**RULES, **changes.pop("rules", {})}
        )
        values = {"mapping": {"fields": FIELDS, "filter": ""}, "write_mode": "append", **changes}
        made = integrations.create_integration(
            workspace=self.workspace, name="line", description="", user=None, policy=policy,
            flow=integrations.Flow(source, stream, self.target, "records", **values),
        )  # fmt: skip
        self.deployment = made.deployments.get()

    def change(self, source: Connector, stream: str, **changes: Any) -> None:
        """Activate another version of the integration."""
        assert self.deployment is not None
        values = {"mapping": {"fields": FIELDS, "filter": ""}, "write_mode": "append", **changes}
        flow = integrations.Flow(source, stream, self.target, "records", **values)
        version = integrations.add_version(integration=self.deployment.integration, flow=flow, user=None)
        integrations.activate_version(deployment=self.deployment, version=version)

    def start(self, continues: Run | None = None) -> Run:
        """Queue a new run, or one that goes on where another stopped."""
        assert self.deployment is not None
        if continues is not None:
            return continuation.continue_run(run=continues, user=None)
        self.deployment.refresh_from_db()
        return runs.start_run(deployment=self.deployment, trigger=Trigger.MANUAL)

    def run(self, continues: Run | None = None) -> Run:
        """Start a run and work it to its end."""
        return self.work(self.start(continues))

    def work(self, run: Run, slices: int = SLICES_AT_MOST, after_batch: Callable[[], object] | None = None) -> Run:
        """Work slices until the run has ended, or so many; a true `after_batch` ends the slice after a batch."""
        for _ in range(slices):
            execute_slice(run_id=run.pk, worker="test", draining=lambda: bool(after_batch and after_batch()))
            run.refresh_from_db()
            if run.state not in ACTIVE_STATES:
                break
        return run

    def ids(self) -> list[int]:
        """The ids that the destination holds, in order, doubles and all."""
        return [row[0] for row in self.destination.ask("SELECT id FROM records ORDER BY id")]
