"""Ids of another workspace inside a body, at every depth and in every list of ids, do nothing and are not there."""

from __future__ import annotations

from json import dumps
from typing import Any

import pytest
from django.test import Client
from drf_spectacular.generators import SchemaGenerator
from pytest_httpserver import HTTPServer

from accounts.request_context import Actor, acting_as
from integrations.services.connectors import ConnectorInput, save_connector
from tests.examples import Shelf
from tests.security.two import fill, tenant_models
from tests.world import World, signed_in

pytestmark = pytest.mark.django_db
MAPPING = {"fields": [{"target": "id", "expression": "id", "type": "text", "required": True}], "filter": ""}
INTEGRATION = "integrations/{integration_id}/"
REASON = "because"
SET = [{"field": "id", "expression": "id"}]

# method, address, body, where in the body the foreign id stands, and what it is the id of. A value in braces is the
# id of an object of one's own.
CASES: list[tuple[str, str, dict[str, Any], str, str]] = [
    ("post", "connectors/", {"name": "x", "plugin": "files", "settings": {"format": "csv"}}, "policy", "policy_id"),
    ("post", "connectors/", {"name": "x", "plugin": "rest_api", "settings": {}}, "credential", "credential_id"),
    ("put", "connectors/{connector_id}/", {"name": "x", "settings": {"format": "csv"}}, "policy", "policy_id"),
    ("put", "connectors/{connector_id}/", {"name": "x", "settings": {}}, "credential", "credential_id"),
    ("patch", "connectors/{connector_id}/", {}, "policy", "policy_id"),
    ("patch", "connectors/{connector_id}/", {}, "credential", "credential_id"),
    ("post", "dead-letters/discard/", {"reason": REASON}, "ids[]", "letter_id"),
    ("post", "dead-letters/redrive/", {"integration": "{integration_id}"}, "ids[]", "letter_id"),
    ("post", "dead-letters/redrive/", {"all": True}, "integration", "integration_id"),
    ("post", "dead-letters/correct/", {"integration": "{integration_id}", "set": SET}, "ids[]", "letter_id"),
    ("post", "dead-letters/correct/", {"all": True, "set": SET}, "integration", "integration_id"),
    ("post", "dead-letters/correct/try/", {"integration": "{integration_id}", "set": SET}, "ids[]", "letter_id"),
    ("post", "dead-letters/correct/try/", {"all": True, "set": SET}, "integration", "integration_id"),
    ("post", "dead-letters/try/", {"integration": "{integration_id}"}, "ids[]", "letter_id"),
    ("post", "dead-letters/try/", {"all": True}, "integration", "integration_id"),
    ("post", "integrations/", {"name": "x", "version": {}}, "policy", "policy_id"),
    ("post", "integrations/", {"name": "x", "version": {}}, "version.source", "connector_id"),
    ("post", "integrations/", {"name": "x", "version": {}}, "version.destination", "connector_id"),
    ("patch", INTEGRATION, {}, "policy", "policy_id"),
    ("post", f"{INTEGRATION}chains/", {}, "upstream", "integration_id"),
    ("post", f"{INTEGRATION}replay/", {"batch": 1}, "run", "run_id"),
    ("post", f"{INTEGRATION}replay/preview/", {"batch": 1}, "run", "run_id"),
    ("post", f"{INTEGRATION}versions/", {}, "source", "connector_id"),
    ("post", f"{INTEGRATION}versions/", {}, "destination", "connector_id"),
    ("post", "policies/simulate/", {"rules": {"retry.attempts": 2}}, "policy", "policy_id"),
]
VERSION = {
    "source": "{connector_id}",
    "source_stream": "orders.csv",
    "destination": "{connector_id}",
    "destination_stream": "copies",
    "write_mode": "append",
    "mapping": MAPPING,
}
by_case = pytest.mark.parametrize(
    ("method", "path", "body", "where", "argument"),
    CASES,
    ids=[f"{method} {path} {where}" for method, path, _, where, _ in CASES],
)


@pytest.fixture
def own(world: World) -> Shelf:
    shelf = Shelf(world.workspace, world.owner)
    fill(shelf)
    return shelf


@pytest.fixture
def foreign(world: World) -> Shelf:
    shelf = Shelf(world.other, world.outsider)
    fill(shelf)
    return shelf


@pytest.mark.security("SEC-020", "SEC-021", "SEC-034")
@by_case
def test_a_foreign_id_in_a_body_is_not_there_and_changes_nothing(
    own: Shelf, foreign: Shelf, world: World, method: str, path: str, body: dict[str, Any], where: str, argument: str
) -> None:
    before = stored()
    answer = send(own, method, path, body, where, [str(own.value(argument)), str(foreign.value(argument))])
    assert answer.status_code in (400, 404), answer.content
    if answer.status_code == 400:
        assert list(answer.json()["errors"]) == [where.removesuffix("[]")]
        assert "no such" in str(answer.json()["errors"])
    assert stored() == before


@by_case
def test_the_same_body_with_an_id_of_one_s_own_gets_further(
    own: Shelf, world: World, method: str, path: str, body: dict[str, Any], where: str, argument: str
) -> None:
    """Without this, the test above would pass for a body that is refused for another reason."""
    mine = str(own.value(argument))
    answer = send(own, method, path, body, where, [mine])
    errors = answer.json().get("errors", {}) if answer.status_code == 400 else {}
    assert answer.status_code != 404
    assert "no such" not in str(errors.get(where.removesuffix("[]"), ""))


@pytest.mark.security("SEC-020", "SEC-021")
def test_every_id_that_a_body_takes_is_tried() -> None:
    tried = {(method, path.replace("{", "").replace("}", ""), where) for method, path, _, where, _ in CASES}
    assert {(m, path.replace("{", "").replace("}", ""), where) for m, path, where in ids_of_bodies()} - tried == set()


@pytest.mark.security("SEC-028")
@pytest.mark.parametrize("action", ["test", "save"])
def test_a_test_with_a_credential_of_another_workspace_opens_no_connection(
    world: World, foreign: Shelf, settings: Any, httpserver: HTTPServer, action: str
) -> None:
    settings.EGRESS_ALLOW = (f"{httpserver.host}:{httpserver.port}",)
    url = world.url("connectors/new/?plugin=rest_api")
    form = {
        "name": "Shop",
        "environment": "staging",
        "setting-base_url": httpserver.url_for("/"),
        "setting-streams": '[{"name": "items", "path": "/items", "primary_key": ["id"]}]',
        "action": action,
        "credential": str(foreign.value("credential_id")),
    }
    answer = signed_in(world.owner).post(url, form)
    assert "Select a valid choice" in answer.content.decode()
    assert httpserver.log == []
    signed_in(world.owner).post(url, {**form, "credential": "", "action": "test"})
    assert httpserver.log != []


@pytest.mark.security("SEC-028")
@pytest.mark.parametrize("what", ["check/", "streams/", "preview/"])
def test_a_foreign_connector_is_asked_for_nothing(
    world: World, settings: Any, httpserver: HTTPServer, what: str
) -> None:
    settings.EGRESS_ALLOW = (f"{httpserver.host}:{httpserver.port}",)
    streams = [{"name": "items", "path": "/items", "primary_key": ["id"]}]
    given = ConnectorInput(
        name="theirs", plugin="rest_api", settings={"base_url": httpserver.url_for("/"), "streams": streams}
    )
    with acting_as(Actor(user=world.outsider)):
        theirs = save_connector(workspace=world.other, connector=None, given=given)
    method = "GET" if what == "streams/" else "POST"
    body = {"stream": "items", "mapping": MAPPING} if what == "preview/" else {}
    for address, user in ((world.api_url(), world.owner), (f"/api/v1/workspaces/{world.other.slug}/", world.owner)):
        url = f"{address}connectors/{theirs.pk}/{what}"
        assert signed_in(user).generic(method, url, dumps(body), content_type="application/json").status_code == 404
    assert httpserver.log == []


def send(own: Shelf, method: str, path: str, body: dict[str, Any], where: str, ids: list[str]) -> Any:
    """The body with the ids put where they belong: all of them into a list, else the last."""
    filled = {**(VERSION if path.endswith("versions/") else {}), **body}
    if "version" in filled:
        filled["version"] = dict(VERSION)
    target = filled
    *outer, last = where.removesuffix("[]").split(".")
    for name in outer:
        target = target[name]
    target[last] = ids if where.endswith("[]") else ids[-1]
    client: Any = Client(raise_request_exception=False)
    client.force_login(own.owner)
    url = f"/api/v1/workspaces/{own.workspace.slug}/{filled_in(own, path)}"
    return client.generic(method.upper(), url, dumps(own_ids(own, filled)), content_type="application/json")


def own_ids(own: Shelf, value: Any) -> Any:
    """Names in braces become ids of one's own."""
    if isinstance(value, dict):
        return {key: own_ids(own, inner) for key, inner in value.items()}
    return filled_in(own, value) if isinstance(value, str) else value


def filled_in(own: Shelf, text: str) -> str:
    """`connectors/{connector_id}/` with the id of one's own connector."""
    return text.format(connector_id=own.value("connector_id"), integration_id=own.value("integration_id"))


def stored() -> dict[str, list[Any]]:
    """All rows of both workspaces, but the audit log: a refusal may be noted there."""
    return {
        model.__name__: list(model._base_manager.order_by("pk").values())
        for model in tenant_models()
        if model.__name__ not in {"AuditEntry", "AuditHead", "AuditAnchor"}
    }


def ids_of_bodies() -> set[tuple[str, str, str]]:
    """Method, address and place of each id that a request body of the API may hold."""
    document = SchemaGenerator().get_schema(public=True)  # type: ignore[no-untyped-call]  # untyped package
    found = set()
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            body = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
            short = path.partition("{workspace}/")[2]
            found |= {(method, short, where) for where in places(document["components"]["schemas"], body, "")}
    return found


def places(schemas: dict[str, Any], schema: dict[str, Any], path: str) -> set[str]:
    if "$ref" in schema:
        return places(schemas, schemas[schema["$ref"].rpartition("/")[2]], path)
    found = {path} if schema.get("format") == "uuid" else set()
    for inner in (*schema.get("allOf", ()), *schema.get("oneOf", ()), *schema.get("anyOf", ())):
        found |= places(schemas, inner, path)
    for name, inner in schema.get("properties", {}).items():
        found |= set() if inner.get("readOnly") else places(schemas, inner, f"{path}.{name}".lstrip("."))
    return found | (places(schemas, schema["items"], f"{path}[]") if "items" in schema else set())
