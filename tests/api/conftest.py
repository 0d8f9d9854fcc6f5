"""An API client of the small world, and a real flow: a file of orders into a SQLite table."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from pytest_django import Settings
from rest_framework.response import Response
from rest_framework.test import APIClient

from accounts.models import User
from accounts.request_context import Actor, acting_as
from integrations.domain.lifecycle import RunState
from integrations.models import Run
from integrations.services.execution import execute_slice
from tests.world import World

ORDERS = "id,amount,note\n1,10.50,first\n2,20.00,second\n3,twelve,third\n4,5.25,fourth\n"
MAPPING: dict[str, Any] = {
    "fields": [
        {"target": "id", "expression": "id", "type": "integer", "required": True},
        {"target": "amount", "expression": "amount", "type": "decimal(12,2)", "required": False},
    ],
    "filter": "",
}


@dataclass(frozen=True)
class Api:
    """Calls of one person to the API of the world's workspace."""

    client: APIClient
    base: str

    def get(self, path: str, **query: Any) -> Any:
        return self.client.get(self.base + path, query)

    def post(self, path: str, body: object = None) -> Any:
        return self.client.post(self.base + path, body, format="json")

    def put(self, path: str, body: object) -> Any:
        return self.client.put(self.base + path, body, format="json")

    def patch(self, path: str, body: object) -> Any:
        return self.client.patch(self.base + path, body, format="json")

    def delete(self, path: str) -> Any:
        return self.client.delete(self.base + path)

    def made(self, path: str, body: object) -> dict[str, Any]:
        """The object that a POST has made; fails with what the API said where it was refused."""
        answer = self.post(path, body)
        assert answer.status_code in (201, 202), answer.content
        found: dict[str, Any] = answer.json()
        return found


AsPerson = Callable[[User], Api]


@pytest.fixture
def as_person(world: World) -> AsPerson:
    def enter(user: User) -> Api:
        client = APIClient(raise_request_exception=False)
        client.force_login(user)
        return Api(client, world.api_url())

    return enter


@pytest.fixture
def api(as_person: AsPerson, world: World) -> Api:
    """The owner's API."""
    return as_person(world.owner)


@pytest.fixture
def elsewhere(world: World) -> Api:
    """The outsider's API of the other workspace."""
    client = APIClient(raise_request_exception=False)
    client.force_login(world.outsider)
    return Api(client, f"/api/v1/workspaces/{world.other.slug}/")


@pytest.fixture
def folder(settings: Settings, tmp_path: Path, world: World) -> Path:
    """The workspace's folder, with one file of four orders, the third of them bad; the other workspace has one too."""
    settings.FILE_ROOT = tmp_path
    for workspace in (world.other, world.workspace):
        own = tmp_path / workspace.slug
        own.mkdir()
        (own / "orders.csv").write_text(ORDERS)
    return own


def connector_body(**changes: object) -> dict[str, Any]:
    return {"name": "Orders", "plugin": "files", "settings": {"format": "csv", "pattern": "*.csv"}, **changes}


@dataclass(frozen=True)
class Flow:
    """The ids of a flow from the file to the table."""

    source: str
    destination: str
    integration: str


def version_body(source: str, destination: str, /, **changes: object) -> dict[str, Any]:
    return {
        "source": source,
        "source_stream": "orders.csv",
        "destination": destination,
        "destination_stream": "orders",
        "key": ["id"],
        "mapping": MAPPING,
        **changes,
    }


@pytest.fixture
def flow(api: Api, folder: Path) -> Flow:
    """An integration that was made through the API."""
    return make_flow(api)


def make_flow(api: Api, name: str = "orders") -> Flow:
    source = api.made("connectors/", connector_body(name=f"{name} files"))["id"]
    warehouse = {"path": f"{name}.sqlite3", "create_file": True}
    body = connector_body(name=f"{name} warehouse", plugin="sqlite", settings=warehouse)
    destination = api.made("connectors/", body)["id"]
    version = version_body(source, destination)
    made = api.made("integrations/", {"name": name, "version": version})
    return Flow(source, destination, made["id"])


def work(run_id: str) -> Run:
    """Work a run here, as a worker would."""
    with acting_as(Actor(system="worker")):
        for _ in range(10):
            if execute_slice(run_id=UUID(run_id), worker="test") is not RunState.RUNNING:
                break
    return Run.objects.get(pk=run_id)


def problem(answer: Response, status: int, code: str) -> dict[str, Any]:
    """The problem document of a refusal, checked for what every one of them says."""
    assert answer.status_code == status, getattr(answer, "content", b"")
    assert answer["Content-Type"] == "application/problem+json"
    document: dict[str, Any] = answer.json()  # type: ignore[attr-defined]  # the test client adds it
    assert document["code"] == code
    assert document["status"] == status
    assert document["title"]
    assert document["what_to_do"]
    return document
