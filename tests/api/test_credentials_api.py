"""REST: credentials, and that no answer ever holds a secret."""

from __future__ import annotations

from typing import Any

import pytest

from accounts.models import AuditEntry
from integrations.models import Credential, Event
from integrations.services.credentials import open_credential
from tests.api.conftest import Api, AsPerson, problem
from tests.world import World

pytestmark = pytest.mark.django_db
CANARY = "canary-9c41be"
BASIC: dict[str, Any] = {"name": "Warehouse", "kind": "basic", "values": {"username": "reader", "password": CANARY}}


def test_the_kinds_tell_which_fields_are_secret(api: Api) -> None:
    kinds = {kind["key"]: kind for kind in api.get("credential-kinds/").json()}
    fields = {field["name"]: field["secret"] for field in kinds["basic"]["fields"]}
    assert fields == {"username": False, "password": True}
    assert kinds["basic"]["label"] == "User name and password"


def test_a_credential_is_stored_and_its_secret_is_in_no_answer(api: Api) -> None:
    answers = [api.post("credentials/", BASIC)]
    path = f"credentials/{answers[0].json()['id']}/"
    changed = {"values": {"username": "writer", "password": f"{CANARY}-2"}}
    answers += [
        api.get(path),
        api.get("credentials/"),
        api.post(f"{path}rotate/", changed),
        api.post("credentials/", BASIC),
    ]
    assert [answer.status_code for answer in answers] == [201, 200, 200, 200, 409]
    assert not any(CANARY in answer.content.decode() for answer in answers)
    assert not any("ciphertext" in answer.content.decode() for answer in answers)


def test_a_secret_is_neither_in_the_audit_log_nor_in_an_event(api: Api) -> None:
    api.made("credentials/", BASIC)
    assert CANARY not in str(list(AuditEntry.objects.values())) + str(list(Event.objects.values()))


def test_a_rotation_counts_up_and_is_what_a_connector_gets(api: Api) -> None:
    made = api.made("credentials/", BASIC)
    body = api.post(f"credentials/{made['id']}/rotate/", {"values": {"password": "the new one"}}).json()
    assert (body["version"], body["public"]) == (2, {"username": "reader"})
    opened = open_credential(Credential.objects.get(pk=made["id"]))
    assert opened == {"username": "reader", "password": "the new one"}


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"kind": "nonsense"}, "kind"),
        ({"values": {"password": CANARY}}, "username"),
        ({"values": {"username": "reader", "pin": CANARY}}, "pin"),
        ({"values": {"username": ["reader"]}}, "values.username"),
        ({"values": CANARY}, "values"),
        ({"public": {"username": "x"}}, "public"),
        ({"name": ""}, "name"),
    ],
)
def test_a_wrong_credential_is_refused_without_repeating_it(api: Api, change: dict[str, object], field: str) -> None:
    answer = api.post("credentials/", {**BASIC, **change})
    assert list(problem(answer, 400, "input_invalid")["errors"]) == [field]
    assert CANARY not in answer.content.decode()


def test_a_credential_in_use_is_not_deleted(api: Api) -> None:
    made = api.made("credentials/", BASIC)
    settings = {"host": "db.example.org", "database": "shop"}
    body = {"name": "db", "plugin": "postgres", "settings": settings, "credential": made["id"]}
    connector = api.made("connectors/", body)
    assert connector["credential"] == {"id": made["id"], "name": "Warehouse"}
    problem(api.delete(f"credentials/{made['id']}/"), 409, "state_conflict")
    assert api.delete(f"connectors/{connector['id']}/").status_code == 204
    assert api.delete(f"credentials/{made['id']}/").status_code == 204


def test_credentials_are_filtered_by_kind_and_name(api: Api) -> None:
    api.made("credentials/", BASIC)
    api.made("credentials/", {"name": "Shop", "kind": "bearer", "values": {"token": CANARY}})
    names = [[each["name"] for each in api.get("credentials/", **q).json()["results"]] for q in (
        {"kind": "bearer"}, {"search": "ware"},
    )]  # fmt: skip
    assert names == [["Shop"], ["Warehouse"]]


def test_a_viewer_sees_what_may_be_known_and_stores_nothing(as_person: AsPerson, world: World, api: Api) -> None:
    made = api.made("credentials/", BASIC)
    viewer = as_person(world.viewer)
    assert viewer.get(f"credentials/{made['id']}/").json() == made
    problem(viewer.post("credentials/", BASIC), 403, "permission_denied")
