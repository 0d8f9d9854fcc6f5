"""A secret goes in and never comes out: no page, resource, message or document holds it, in any encoding."""

from __future__ import annotations

import base64
import inspect
import json
from typing import Any
from urllib.parse import quote

import pytest
from django.test import Client

from accounts.domain.roles import Role
from accounts.request_context import Actor, acting_as
from config.celery import app
from integrations.connectors.registry import CONNECTORS
from integrations.models import Connector
from integrations.services.connectors import ConnectorInput, save_connector
from integrations.services.credentials import create_credential, rotate_credential
from tests.examples import Shelf
from tests.security.two import fill, look, readable, rows_of, tenant_models
from tests.world import World, signed_in

pytestmark = pytest.mark.django_db
# Letters that each encoding changes in its own way.
CANARY = "cAn4ry/+ü<secret>&9f2e"
READABLE = readable()


def encodings(secret: str) -> list[str]:
    """The forms in which a secret might be written by mistake."""
    raw = secret.encode()
    return [
        secret,
        quote(secret),
        quote(secret, safe=""),
        json.dumps(secret)[1:-1],
        raw.hex(),
        base64.b64encode(raw).decode().rstrip("="),
        base64.urlsafe_b64encode(raw).decode().rstrip("="),
        secret.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;"),
        secret[::-1],
        "cAn4ry",
    ]


def leaks(text: str) -> list[str]:
    return [form for form in encodings(CANARY) if form in text]


@pytest.fixture
def full(world: World) -> Shelf:
    """A workspace with one of everything, a credential of the usual kinds, and a connector that uses each."""
    shelf = Shelf(world.workspace, world.owner)
    fill(shelf)
    kinds = {
        "bearer": {"token": CANARY},
        "basic": {"username": "reader", "password": CANARY},
        "api_key": {"name": "X-Key", "placement": "header", "key": CANARY},
    }
    streams = [{"name": "items", "path": "/items", "primary_key": ["id"]}]
    with acting_as(Actor(user=world.owner)):
        for kind, values in kinds.items():
            credential = create_credential(
                workspace=world.workspace, name=f"of {kind}", kind=kind, values=values, user=world.owner
            )
            rotate_credential(credential=credential, values=values, user=world.owner)
            settings = {"base_url": "https://shop.example.org", "streams": streams}
            given = ConnectorInput(name=f"by {kind}", plugin="rest_api", settings=settings, credential=credential)
            connector = save_connector(workspace=world.workspace, connector=None, given=given)
    shelf._values |= {"credential_id": credential.pk, "connector_id": connector.pk}
    return shelf


@pytest.mark.security("SEC-050", "SEC-050b", "SEC-051")
@pytest.mark.parametrize("role", [Role.OWNER, Role.BUILDER])
def test_no_answer_holds_a_secret_whatever_is_asked(full: Shelf, world: World, role: Role) -> None:
    client, found, seen = signed_in(world.people[role]), [], 0
    queries: list[dict[str, str] | None] = [
        None,
        {"unmask": "1", "show_secrets": "true", "fields": "*", "expand": "credential,values", "reveal": "1"},
    ]
    for route in READABLE:
        for query in queries:
            status, text = look(client, route.url(full, full), query)
            seen += status == 200
            found += [f"{route.path} {query}: {form}" for form in leaks(text)]
    assert found == []
    assert seen > 80


@pytest.mark.security("SEC-050")
def test_a_secret_in_a_name_is_found_by_the_same_look(full: Shelf, world: World) -> None:
    Connector.objects.filter(pk=full.value("connector_id")).update(name=CANARY)
    texts = [look(signed_in(world.owner), route.url(full, full))[1] for route in READABLE]
    assert sum(bool(leaks(text)) for text in texts) > 5


@pytest.mark.security("SEC-050")
def test_no_column_holds_a_secret_in_the_clear(full: Shelf, world: World) -> None:
    for model in tenant_models():
        assert leaks(str(list(rows_of(model, world.workspace).values()))) == [], model.__name__


@pytest.mark.security("SEC-050")
@pytest.mark.parametrize("method", ["OPTIONS", "HEAD", "PATCH"])
def test_no_other_method_answers_with_a_secret(full: Shelf, world: World, method: str) -> None:
    client = signed_in(world.owner)
    for route in (route for route in READABLE if route.is_api):
        answer = client.generic(method, route.url(full, full), b"{}", content_type="application/json")
        assert leaks(answer.content.decode()) == []


@pytest.mark.security("SEC-050b")
@pytest.mark.parametrize("kind", ["bearer", "basic", "api_key"])
def test_a_refused_form_holds_no_secret(full: Shelf, world: World, kind: str) -> None:
    names = ("token", "password", "key")
    form = {"name": "", **{f"value-{name}": CANARY for name in names}}
    for path in (f"credentials/new/?kind={kind}", f"credentials/{full.value('credential_id')}/rotate/"):
        answer = signed_in(world.owner).post(world.url(path), form)
        assert leaks(answer.content.decode()) == []


@pytest.mark.security("SEC-050", "SEC-054")
@pytest.mark.parametrize("path", ["credentials/", "credentials/{}/rotate/", "connectors/"])
def test_a_refused_body_is_not_repeated(full: Shelf, world: World, path: str) -> None:
    client = signed_in(world.owner)
    url = world.api_url(path.format(full.value("credential_id")))
    for body in (
        {"name": "x", "kind": "bearer", "values": {"token": [CANARY]}},
        {"values": {CANARY: CANARY}},
        {"values": CANARY},
        {"name": "x", "kind": CANARY, "plugin": "rest_api", "credential": CANARY, "values": {"token": CANARY}},
    ):
        answer = client.post(url, json.dumps(body), content_type="application/json")
        assert 400 <= answer.status_code < 500
        # A name that does not exist may be named; a value may not be repeated.
        errors = answer.json().get("errors", {})
        assert [value for value in errors.values() if leaks(str(value)) and "kind" not in errors] == []


# --- messages ----------------------------------------------------------------------------------------------------
@pytest.mark.security("SEC-055")
def test_tasks_take_ids_and_nothing_else() -> None:
    app.loader.import_default_modules()
    ours = {name: task for name, task in app.tasks.items() if not name.startswith(("celery.", "tests."))}
    assert ours
    for name, task in ours.items():
        for parameter in inspect.signature(task.run).parameters.values():
            assert parameter.name.endswith("_id"), f"{name} takes {parameter.name}"
            assert parameter.annotation in ("str", str, "int", int), f"{name} takes {parameter.annotation}"


# --- plugins -----------------------------------------------------------------------------------------------------
@pytest.mark.security("SEC-003", "SEC-141")
@pytest.mark.parametrize(
    "plugin", ["os", "os.system", "builtins:eval", "../files", "integrations.connectors.files", "__init__"]
)
def test_a_plugin_is_one_of_the_list(world: World, plugin: str) -> None:
    body = json.dumps({"name": "x", "plugin": plugin, "settings": {}})
    client: Client = signed_in(world.owner)
    answer: Any = client.post(world.api_url("connectors/"), body, content_type="application/json")
    assert (answer.status_code, list(answer.json()["errors"])) == (400, ["plugin"])
    assert client.get(world.url(f"connectors/new/?plugin={plugin}")).status_code in (302, 400, 404)
    assert plugin not in CONNECTORS
