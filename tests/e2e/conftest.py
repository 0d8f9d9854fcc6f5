"""What the tests of the whole line share: a PostgreSQL that can be switched off, and an integration into it."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from accounts.models import Workspace
from accounts.request_context import Actor, acting_as
from integrations.models import Connector
from integrations.services.connectors import ConnectorInput, save_connector
from integrations.services.credentials import create_credential
from tests.e2e.line import Destination, Line, address_of


@pytest.fixture(scope="module")
def server() -> Iterator[Destination]:
    """One server for a module."""
    with tempfile.TemporaryDirectory(prefix="signalbox-e2e-") as folder:
        made = Destination.make(Path(folder))
        made.start()
        yield made
        made.stop()


@pytest.fixture
def line(transactional_db: None, server: Destination, settings: Any, tmp_path: Path) -> Iterator[Line]:
    """A workspace with the destination connector, whose address the instance allows; the first run makes the table."""
    settings.FILE_ROOT = str(tmp_path)
    settings.EGRESS_ALLOW = (f"127.0.0.1:{server.folder.port}",)
    server.ask("DROP TABLE IF EXISTS records")
    workspace = Workspace.objects.create(slug="acme", name="Acme")
    with acting_as(Actor(system="test")):
        yield Line(workspace, server, target_of(workspace, server.folder.port))


def target_of(workspace: Workspace, port: int) -> Connector:
    """The connector of the destination, signed in as its superuser."""
    login = create_credential(
        workspace=workspace, name="warehouse", kind="basic", values={"username": "signalbox"}, user=None
    )
    given = ConnectorInput("warehouse", "postgres", address_of(port), credential=login)
    return save_connector(workspace=workspace, connector=None, given=given)
