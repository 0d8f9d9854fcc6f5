"""What the tests of faults within one process share: a hostile destination, and integrations that send to it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from django.conf import LazySettings

from accounts.models import Workspace
from accounts.request_context import Actor, acting_as
from integrations.connectors import registry
from integrations.services.connectors import ConnectorInput, save_connector
from tests.faults.hostile import HostileServer, hostile
from tests.faults.remote_world import Remote, make_remote
from tests.runs.listed import Listed, World


@pytest.fixture
def hostile_server() -> Iterator[HostileServer]:
    """A destination over HTTP that behaves until it is asked not to."""
    with hostile(seed=11) as server:
        yield server


@pytest.fixture
def source(monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """A source over a list."""
    monkeypatch.setitem(registry.CONNECTORS, "listed", Listed)
    Listed.world = World()
    with acting_as(Actor(system="test")):
        yield Listed.world


@pytest.fixture
def remote_of(db: None, source: World, hostile_server: HostileServer, settings: LazySettings) -> Callable[..., Remote]:
    """Make an integration from the list to the hostile server, under a guarantee."""
    settings.EGRESS_ALLOW = (hostile_server.url.removeprefix("http://"),)
    workspace = Workspace.objects.create(slug="acme", name="Acme")
    lists = save_connector(workspace=workspace, connector=None, given=ConnectorInput("lists", "listed", {}))
    return lambda guarantee, **changes: make_remote(workspace, lists, source, hostile_server, guarantee, **changes)
