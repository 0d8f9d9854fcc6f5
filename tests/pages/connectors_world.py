"""What the tests of the pages of connectors, credentials and policies share."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from pytest_django import Settings

from accounts.models import AuditEntry, User
from accounts.request_context import Actor, acting_as
from integrations.models import Connector, Credential, Event, Policy
from integrations.services.connectors import ConnectorInput, check_connector, save_connector
from integrations.services.credentials import create_credential
from integrations.services.integrations import Flow, create_integration
from integrations.services.policies import save_policy
from tests.world import World, signed_in

CANARY = "canary-9f2e77c1"
XSS = "<script>alert(1)</script>"
HTMX: dict[str, Any] = {"HTTP_HX_REQUEST": "true"}  # as the test client takes what WSGI names


def page(user: User, url: str, status: int = 200, **query: Any) -> str:
    """The text of a page, as somebody sees it; `query` is whatever an address may hold."""
    return text_of(signed_in(user).get(url, query), status)


def post(client: Client, url: str, data: Mapping[str, Any], status: int = 302, **headers: Any) -> Any:
    """Send a form; the answer is a test client's response, for which the stubs have no name."""
    answer: Any = client.post(url, data, **headers)
    assert answer.status_code == status, answer.content.decode()[:3000]
    return answer


def text_of(answer: Any, status: int | None = None) -> str:
    """The body of a response."""
    assert status in (None, answer.status_code), answer.content.decode()[:3000]
    text: str = answer.content.decode()
    return text


def make_files(world: World, name: str = "Order files", **settings: object) -> Connector:
    with acting_as(Actor(user=world.owner)):
        given = ConnectorInput(name=name, plugin="files", settings={"format": "csv", "pattern": "*.csv", **settings})
        return save_connector(workspace=world.workspace, connector=None, given=given)


def make_rest(world: World, credential: Credential | None, base_url: str, name: str = "Shop") -> Connector:
    streams = [{"name": "items", "path": "/items", "primary_key": ["id"]}]
    with acting_as(Actor(user=world.owner)):
        given = ConnectorInput(
            name=name, plugin="rest_api", settings={"base_url": base_url, "streams": streams}, credential=credential
        )
        return save_connector(workspace=world.workspace, connector=None, given=given)


def make_credential(world: World, name: str = "Shop key", token: str = CANARY) -> Credential:
    with acting_as(Actor(user=world.owner)):
        return create_credential(
            workspace=world.workspace, name=name, kind="bearer", values={"token": token}, user=world.owner
        )


def make_policy(world: World, name: str = "Patient", *, is_default: bool = False, **rules: float) -> Policy:
    with acting_as(Actor(user=world.owner)):
        return save_policy(
            workspace=world.workspace,
            policy=None,
            name=name,
            description="",
            rules={key.replace("__", "."): value for key, value in rules.items()},
            is_default=is_default,
        )


def use(world: World, connector: Connector, name: str = "orders-copy") -> None:
    """An integration that reads and writes it."""
    mapping = {"fields": [{"target": "id", "expression": "id", "type": "text", "required": True}], "filter": ""}
    flow = Flow(connector, "orders.csv", connector, "copies", mapping, write_mode="append")
    with acting_as(Actor(user=world.owner)):
        create_integration(workspace=world.workspace, name=name, description="", flow=flow, user=world.owner)


def check(connector: Connector, world: World) -> None:
    with acting_as(Actor(user=world.owner)):
        check_connector(connector=connector)


def files_form(**changes: object) -> dict[str, object]:
    return {
        "name": "Order files",
        "environment": "staging",
        "policy": "",
        "setting-format": "csv",
        "setting-path": "",
        "setting-pattern": "*.csv",
        "setting-delimiter": ",",
        "setting-header": "on",
        "setting-encoding": "utf-8",
        "setting-escape_formulas": "on",
        "action": "save",
        **changes,
    }


def rest_form(base_url: str, **changes: object) -> dict[str, object]:
    streams = '[{"name": "items", "path": "/items", "primary_key": ["id"]}]'
    return {
        "name": "Shop",
        "environment": "production",
        "policy": "",
        "credential": "",
        "setting-base_url": base_url,
        "setting-streams": streams,
        "setting-headers": "",
        "setting-paging": "none",
        "action": "save",
        **changes,
    }


def stored_texts() -> str:
    """Everything that the product wrote down where people may look."""
    return repr([list(model.objects.values()) for model in (AuditEntry, Event, Connector, Credential, Policy)])


@pytest.fixture
def folder(settings: Settings, tmp_path: Path) -> Path:
    """The folder that the instance allows the workspace, with one file of two orders."""
    settings.FILE_ROOT = tmp_path
    folder = tmp_path / "acme"
    folder.mkdir()
    (folder / "orders.csv").write_text("id,amount\n1,10.50\n2,20.00\n")
    return folder


@pytest.fixture
def owner(world: World) -> Client:
    """The owner's browser."""
    return signed_in(world.owner)
