"""Where a campaign takes place: the workspace, the addresses of its destinations, and connectors to them."""

from __future__ import annotations

import itertools
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import psycopg

from accounts.models import Workspace
from integrations.models import Connector, Credential, Deployment, Policy
from integrations.services import integrations
from integrations.services.connectors import ConnectorInput, file_root_of, save_connector
from integrations.services.credentials import create_credential

BATCH_RECORDS = 50
# The numbers of one integration's records begin so far behind those of another.
APART = 1_000_000
RULES = {"retry.attempts": 20, "retry.first_delay_seconds": 0, "limit.batch_records": BATCH_RECORDS}


@dataclass
class Place:
    """`database` is the destination's address for us, `port` the one that connectors use (a proxy's, perhaps)."""

    workspace: Workspace
    database: str
    port: int
    hostile_url: str = ""
    login: Credential | None = None
    policy: Policy | None = None
    _offsets: itertools.count[int] = field(default_factory=lambda: itertools.count(APART, APART))
    _connection: psycopg.Connection[tuple[Any, ...]] | None = None
    _remote: tuple[int, dict[int, list[tuple[int, str]]]] = (0, {})

    @classmethod
    def make(cls, database: str, port: int, hostile_url: str = "") -> Place:
        """A workspace of its own, and a policy under which a run waits for nothing."""
        workspace = Workspace.objects.create(slug="faults", name="Faults")
        place = cls(workspace, database, port, hostile_url)
        place.login = create_credential(
            workspace=workspace, name="database", kind="basic", values={"username": "signalbox"}, user=None
        )
        place.policy = Policy.objects.create(workspace=workspace, name="faults", rules=RULES)
        place.files.mkdir(parents=True, exist_ok=True)
        return place

    @property
    def files(self) -> Path:
        """The folder that the workspace's connectors may use."""
        return file_root_of(self.workspace)

    def connector(self, name: str, plugin: str, credential: Credential | None = None, **settings: Any) -> Connector:
        """The connector of this name, made when it is first asked for."""
        existing = Connector.objects.filter(workspace=self.workspace, name=name).first()
        if existing is not None:
            return existing
        given = ConnectorInput(name, plugin, settings, credential=credential)
        return save_connector(workspace=self.workspace, connector=None, given=given)

    def csv_source(self) -> Connector:
        """Reads the workspace's CSV files."""
        return self.connector("files", "files", format="csv")

    def postgres(self) -> Connector:
        """Reads and writes the destination's PostgreSQL."""
        settings = {"host": "127.0.0.1", "port": self.port, "database": self.database.rpartition("/")[2]}
        return self.connector("database", "postgres", self.login, **settings)

    def join(self, name: str, source: Connector, stream: str, target: Connector, into: str, **flow: Any) -> Deployment:
        """Make an integration."""
        made = integrations.create_integration(
            workspace=self.workspace, name=name, description="", user=None, policy=self.policy,
            flow=integrations.Flow(source, stream, target, into, **flow),
        )  # fmt: skip
        return made.deployments.get()

    def offset(self) -> int:
        """Where the numbers of an integration's records begin, so that it can be told whose a record is."""
        return next(self._offsets)

    def hostile(self, name: str, **write: Any) -> Connector:
        """Writes to the hostile server, two requests a batch."""
        write = {"records_per_request": BATCH_RECORDS // 2, "record_path": "items", **write}
        streams = [{"name": "items", "path": "/items", "read": False, "write": write}]
        return self.connector(name, "rest_api", base_url=self.hostile_url, streams=streams)

    def at_hostile(self, offset: int) -> list[tuple[int, str]]:
        """What a consumer of the hostile server sees of an integration's records; read again only when more came."""
        arrivals = self._from_hostile("_report")["arrivals"]
        if arrivals != self._remote[0]:
            found: dict[int, list[tuple[int, str]]] = {}
            for record in self._from_hostile("_contents"):
                found.setdefault(record["id"] // APART * APART, []).append((record["id"], record["value"]))
            self._remote = arrivals, found
        return self._remote[1].get(offset, [])

    def _from_hostile(self, path: str) -> Any:  # what a server's JSON holds
        with urlopen(f"{self.hostile_url}/{path}", timeout=60) as answer:
            return json.load(answer)

    def ask(self, statement: str) -> list[tuple[Any, ...]]:
        """What a statement returns from the destination's database, not through the proxy."""
        if self._connection is None or self._connection.closed:
            self._connection = psycopg.connect(self.database, autocommit=True)
        cursor = self._connection.execute(statement.encode())
        return cursor.fetchall() if cursor.description else []
