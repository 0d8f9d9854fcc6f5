"""A workspace with two connectors that share a credential, on SQLite and on PostgreSQL, and gates before them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from django.conf import LazySettings

from accounts.models import Workspace
from accounts.request_context import Actor, acting_as
from integrations.connectors.gate import Gate
from integrations.models import Connector, Credential, Policy, Run
from integrations.services.connectors import ConnectorInput, save_connector
from integrations.services.credentials import create_credential
from integrations.services.gate import open_gate
from integrations.services.policies import effective_policy
from integrations.services.shared_limits import Place, place_of
from tests.runs.databases import either_database, migrated_postgres

__all__ = ["either_database", "migrated_postgres"]

STREAMS = [{"name": "rows", "path": "rows"}]


@dataclass
class Waits:
    """A sleep that takes no time, and remembers."""

    seconds: list[float] = field(default_factory=list)

    def __call__(self, seconds: float) -> None:
        self.seconds.append(seconds)


@dataclass
class Shop:
    """Connectors of one system; `url` is where it listens."""

    workspace: Workspace
    url: str = "http://127.0.0.1:9"
    login: Credential | None = None
    waits: Waits = field(default_factory=Waits)

    def connector(self, name: str, *, rules: dict[str, Any] | None = None, signs_in: bool = True) -> Connector:
        """A connector with a policy of its own."""
        policy = Policy.objects.create(workspace=self.workspace, name=f"of {name}", rules=rules) if rules else None
        settings = {"base_url": self.url, "streams": STREAMS}
        given = ConnectorInput(name, "rest_api", settings, credential=self.login if signs_in else None, policy=policy)
        return save_connector(workspace=self.workspace, connector=None, given=given)

    def gate(self, connector: Connector, run: Run | None = None) -> Gate:
        """A gate of the connector, which waits in no time."""
        connector = Connector.objects.select_related("policy", "workspace", "credential").get(pk=connector.pk)
        policy = effective_policy(workspace=self.workspace, connector=connector)
        return open_gate(connector, policy, run=run, scope_id=connector.pk, sleep=self.waits)

    def place(self, connector: Connector) -> Place:
        return place_of(connector)


@pytest.fixture
def db(either_database: str) -> None:
    """Each test that asks for rows runs on SQLite and on PostgreSQL."""


@pytest.fixture
def workspace(db: None) -> Workspace:
    return Workspace.objects.create(slug="acme", name="Acme")


@pytest.fixture
def shop(workspace: Workspace, settings: LazySettings) -> Iterator[Shop]:
    settings.EGRESS_ALLOW = ["127.0.0.1:9"]
    with acting_as(Actor(system="test")):
        values = {"token": "example"}
        login = create_credential(workspace=workspace, name="shop", kind="bearer", values=values, user=None)
        yield Shop(workspace, login=login)
