"""What writes: never by the right to read, and never more than what the form or body shows."""

from __future__ import annotations

import re
from dataclasses import dataclass
from json import dumps
from typing import Any

import pytest
from django.db.models import Model
from django.http.response import HttpResponseBase

from accounts.domain.roles import PERMISSIONS, Role, role_allows
from accounts.models import ApiToken, Membership, User, Workspace
from accounts.permissions import PUBLIC
from integrations.models import Connector, Credential, Integration, Policy, Run
from tests.examples import Shelf
from tests.permission_routes import Route, routes
from tests.security.two import fill, tenant_models
from tests.world import World, signed_in

pytestmark = pytest.mark.django_db
READERS = (Role.VIEWER, Role.AUDITOR)
IN_A_WORKSPACE = [
    r for r in routes() if r.has_examples and "workspace" in r.arguments and r.needs(r.methods[0]) != PUBLIC
]
# What a member has read is a note of their own, which nobody else sees.
OWN_NOTES = frozenset({"notification-list", "api-notifications-read", "api-notifications-unread"})
# An export reads; it is a POST because it is written down in the audit log.
WRITES = [
    (r, m)
    for r in IN_A_WORKSPACE
    for m in r.methods
    if m != "GET" and r.needs(m) in PERMISSIONS and r.needs(m) != "audit.export" and r.name not in OWN_NOTES
]
MAPPING = {"fields": [{"target": "id", "expression": "id", "type": "text", "required": True}], "filter": ""}


def only_shown(route: Route, method: str) -> bool:
    """A page that is declared with the right to read alone: it must not answer to POST at all."""
    return any(role_allows(role, route.needs(method) or "") for role in READERS)


@pytest.mark.security("SEC-026")
def test_no_verb_of_the_api_is_guarded_by_a_right_that_readers_hold() -> None:
    found = [f"{method} {route.path}" for route, method in WRITES if route.is_api and only_shown(route, method)]
    assert found == []


@pytest.mark.security("SEC-026")
def test_a_page_that_readers_open_takes_no_post(world: World) -> None:
    shelf = Shelf(world.workspace, world.owner)
    pages = [route for route, method in WRITES if not route.is_api and only_shown(route, method)]
    answers = {route.path: signed_in(world.owner).post(route.url(shelf, shelf)).status_code for route in pages}
    assert answers == dict.fromkeys(answers, 405)


@pytest.mark.security("SEC-025", "SEC-026")
@pytest.mark.parametrize("role", READERS)
def test_a_reader_is_refused_every_verb(world: World, role: Role) -> None:
    shelf, client = Shelf(world.workspace, world.owner), signed_in(world.people[role])
    verbs = [(route, method) for route, method in WRITES if not only_shown(route, method)]
    answers: dict[str, int] = {}
    for route, method in verbs:
        answer: HttpResponseBase = client.generic(
            method, route.url(shelf, shelf), b"{}", content_type="application/json"
        )
        answers[f"{method} {route.path}"] = answer.status_code
    assert len(answers) > 60
    assert {name: status for name, status in answers.items() if status not in (403, 405)} == {}


# --- what a body may set -----------------------------------------------------------------------------------------
# Names that stand in our models, and what somebody would like to put there.
WISHES: dict[str, Any] = {
    "id": "00000000-0000-7000-8000-000000000001",
    "pk": "00000000-0000-7000-8000-000000000001",
    "workspace": "{other}",
    "workspace_id": "{other}",
    "slug": "taken-over",
    "is_demo": True,
    "is_instance_admin": True,
    "is_superuser": True,
    "is_staff": True,
    "is_active": False,
    "password": "a password of the attacker",
    "user": "{outsider}",
    "user_id": "{outsider}",
    "creator": "{outsider}",
    "created_by": "{outsider}",
    "created_at": "2000-01-01T00:00:00Z",
    "updated_at": "2000-01-01T00:00:00Z",
    "last_login": "2000-01-01T00:00:00Z",
    "revoked_at": None,
    "expires_at": "2099-01-01T00:00:00Z",
    "secret_hash": "f" * 64,
    "key_id": "attacker",
    "ciphertext": "x",
    "payload": "x",
    "fence": 99,
    "check_state": "ok",
    "checked_at": "2000-01-01T00:00:00Z",
    "checkpoint": {"cursor": "x"},
    "cursor": "x",
    "state": "succeeded",
    "seq": 1,
    "mac": "f" * 64,
    "sso_required": False,
    "mfa_required": False,
}


@dataclass(frozen=True)
class Write:
    """A body that is taken."""

    method: str
    path: str
    body: dict[str, Any]


VERSION = {
    "source": "{connector_id}",
    "source_stream": "orders.csv",
    "destination": "{connector_id}",
    "destination_stream": "copies",
    "write_mode": "append",
    "mapping": MAPPING,
}
FILES = {"name": "written", "settings": {"format": "csv"}}
BEARER = {"name": "written", "kind": "bearer", "values": {"token": "a secret value"}}
API = [
    Write("patch", "", {"name": "written"}),
    Write("post", "members/", {"email": "new@example.org", "role": "viewer"}),
    Write("patch", "members/{member_id}/", {"role": "operator"}),
    Write("post", "tokens/", {"name": "written", "scopes": ["run.read"]}),
    Write("post", "connectors/", {**FILES, "plugin": "files"}),
    Write("put", "connectors/{connector_id}/", FILES),
    Write("patch", "connectors/{connector_id}/", {"name": "written"}),
    Write("post", "credentials/", BEARER),
    Write("post", "credentials/{credential_id}/rotate/", {"values": {"token": "another secret"}}),
    Write("post", "policies/", {"name": "written", "rules": {"retry.attempts": 2}}),
    Write("put", "policies/{policy_id}/", {"name": "written", "rules": {"retry.attempts": 2}}),
    Write("patch", "policies/{policy_id}/", {"name": "written"}),
    Write("post", "integrations/", {"name": "written", "version": VERSION}),
    Write("patch", "integrations/{integration_id}/", {"description": "written"}),
    Write("post", "integrations/{integration_id}/versions/", VERSION),
    Write("post", "integrations/{integration_id}/activate/", {"version": 1}),
    Write("put", "integrations/{integration_id}/schedule/", {"kind": "interval", "every_seconds": 60}),
    Write("post", "dead-letters/discard/", {"ids": ["{letter_id}"], "reason": "a reason"}),
    Write("put", "dead-letters/{letter_id}/payload/", {"record": {"amount": "1"}}),
]
PAGES = [
    Write("post", "settings/", {"name": "written", "status_page": "members"}),
    Write("post", "members/", {"email": "new@example.org", "role": "viewer"}),
    Write("post", "members/{member_id}/role/", {"role": "operator"}),
    Write("post", "tokens/new/", {"name": "written", "scopes": ["run.read"], "days": "30"}),
    Write("post", "credentials/new/?kind=bearer", {"name": "written", "value-token": "a secret value"}),
    Write("post", "policies/new/", {"name": "written", "description": ""}),
]


@pytest.mark.security("SEC-032")
@pytest.mark.parametrize("write", API, ids=lambda write: f"{write.method} {write.path}")
def test_a_body_sets_nothing_that_is_not_its_to_set(world: World, write: Write) -> None:
    shelf, client = shelf_of(world), signed_in(world.owner)
    url = world.api_url(named(shelf, world, write.path))
    before, wishes = guarded(), {name: wish for name, wish in WISHES.items() if name not in write.body}

    def send(wished: dict[str, Any]) -> set[str]:
        body = dumps(named(shelf, world, {**write.body, **wished}))
        answer: Any = client.generic(write.method.upper(), url, body, content_type="application/json")
        assert answer.status_code < 500
        return set(answer.json().get("errors", {})) if answer.status_code == 400 else set()

    refused = send(wishes)
    # Where some were refused by name, what else was sent did not count: it is sent again without them.
    send({name: wish for name, wish in wishes.items() if name not in refused})
    assert changed(before, guarded()) == []


@pytest.mark.security("SEC-032")
@pytest.mark.parametrize("write", API, ids=lambda write: f"{write.method} {write.path}")
def test_without_the_wish_the_body_is_taken(world: World, write: Write) -> None:
    """So that the test above does not pass for bodies that are refused for another reason."""
    shelf = shelf_of(world)
    url, body = world.api_url(named(shelf, world, write.path)), dumps(named(shelf, world, write.body))
    answer = signed_in(world.owner).generic(write.method.upper(), url, body, content_type="application/json")
    assert answer.status_code in (200, 201, 202), answer.content


@pytest.mark.security("SEC-032")
@pytest.mark.parametrize("write", PAGES, ids=lambda write: write.path)
def test_a_form_sets_nothing_that_it_does_not_show(world: World, write: Write) -> None:
    shelf, client = shelf_of(world), signed_in(world.owner)
    before = guarded()
    wishes = {name: wish for name, wish in WISHES.items() if name not in write.body and wish is not None}
    data = named(
        shelf,
        world,
        {**{name: wish if isinstance(wish, str) else dumps(wish) for name, wish in wishes.items()}, **write.body},
    )
    answer = client.post(world.url(named(shelf, world, write.path)), data)
    assert answer.status_code == 302 or "written" in answer.content.decode() or "once" in answer.content.decode()
    assert changed(before, guarded()) == []


@pytest.mark.security("SEC-032")
def test_a_profile_makes_nobody_an_admin(world: World) -> None:
    client, before = signed_in(world.viewer), guarded()
    client.post("/profile/", {"name": "Vera", "role": "owner", **WISHES, "revoked_at": ""})
    world.viewer.refresh_from_db()
    assert world.viewer.name == "Vera"
    assert changed(before, guarded()) == []


@pytest.mark.security("SEC-032")
def test_a_serializer_that_takes_everything_would_be_noticed(world: World) -> None:
    before = guarded()
    User.objects.filter(pk=world.viewer.pk).update(is_instance_admin=True)
    Connector.objects.filter(pk=shelf_of(world).value("connector_id")).update(workspace=world.other)
    assert len(changed(before, guarded())) >= 1


@pytest.mark.security("SEC-032")
def test_every_writing_resource_with_a_body_is_tried() -> None:
    """A new resource that takes a body belongs into the table above, or here with its reason."""
    tried = {write.path for write in API}
    bodies = {
        route.path.partition("<slug:workspace>/")[2].replace("<uuid:", "{").replace(">", "}")
        for route, method in WRITES
        if route.is_api and method in ("PUT", "PATCH") and "schedule" not in route.path
    }
    assert bodies - tried <= {""}


# What nobody sets by a body, of rows that were there before.
_GUARDED: dict[type[Model], tuple[str, ...]] = {
    User: ("email", "password", "is_active", "is_instance_admin", "created_at", "last_login"),
    Workspace: ("slug", "is_demo", "created_at"),
    Membership: ("workspace_id", "user_id", "created_at"),
    ApiToken: ("workspace_id", "creator_id", "key_id", "secret_hash", "expires_at", "revoked_at", "created_at"),
    Connector: ("workspace_id", "plugin", "created_at"),
    Credential: ("workspace_id", "kind", "created_at"),
    Integration: ("workspace_id", "name", "created_at"),
    Policy: ("workspace_id", "created_at"),
    Run: ("workspace_id", "state", "fence", "created_at"),
}


def guarded() -> dict[tuple[str, str], tuple[Any, ...]]:
    """Of each row what no body may set; and of every tenant's row its workspace."""
    found = {}
    for model, names in _GUARDED.items():
        for row in model._base_manager.values_list("pk", *names):
            found[model.__name__, str(row[0])] = row[1:]
    for model in tenant_models():
        for key, workspace in model._base_manager.values_list("pk", "workspace"):
            found[f"{model.__name__}'s workspace", str(key)] = (workspace,)
    return found


def changed(
    before: dict[tuple[str, str], tuple[Any, ...]], after: dict[tuple[str, str], tuple[Any, ...]]
) -> list[tuple[str, str]]:
    """Rows that are other than before, and new ones that are not in `acme` or belong to somebody else."""
    moved = [key for key, row in before.items() if key in after and after[key] != row]
    # What somebody does to their own account stands in the log of the instance, which is of no workspace.
    allowed = ((Workspace.objects.get(slug="acme").pk,), (None,))
    new = [
        key
        for key, row in after.items()
        if key not in before and key[0].endswith("'s workspace") and row not in allowed
    ]
    wished = [key for key in after if key not in before and key[1] == WISHES["id"]]
    admins = [key for key in after if key not in before and key[0] == "User" and after[key][3]]
    return moved + new + wished + admins


def shelf_of(world: World) -> Shelf:
    shelf = Shelf(world.workspace, world.owner)
    fill(shelf)
    return shelf


def named(shelf: Shelf, world: World, value: Any) -> Any:
    """Names in braces become ids."""
    if isinstance(value, dict):
        return {key: named(shelf, world, inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [named(shelf, world, inner) for inner in value]
    if not isinstance(value, str) or not re.search(r"\{[a-z_]+\}", value):
        return value
    ids = {argument: shelf.value(argument) for argument in ("member_id", "connector_id", "credential_id", "letter_id")}
    more = {argument: shelf.value(argument) for argument in ("policy_id", "integration_id")}
    return value.format(**ids, **more, other=world.other.pk, outsider=world.outsider.pk)
