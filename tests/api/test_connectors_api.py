"""REST: connectors, plugins, streams and the preview of a mapping."""

from __future__ import annotations

from pathlib import Path

import pytest

from integrations.models import Connector, Event
from tests.api.conftest import MAPPING, Api, AsPerson, Flow, connector_body, problem
from tests.world import World, token_text, with_token

pytestmark = pytest.mark.django_db
MISSING = "0193f3a0-0000-7000-8000-000000000001"


def credential(api: Api, name: str = "shop") -> str:
    body = {"name": name, "kind": "bearer", "values": {"token": "canary-7f3a"}}
    return str(api.made("credentials/", body)["id"])


def rest_body(**changes: object) -> dict[str, object]:
    settings = {
        "base_url": "https://shop.example.org",
        "streams": [{"name": "orders", "path": "/orders", "primary_key": ["id"]}],
    }
    return connector_body(**{"name": "Shop", "plugin": "rest_api", "settings": settings, **changes})


def test_the_catalogue_tells_of_every_plugin_what_a_form_needs(api: Api) -> None:
    plugins = {plugin["key"]: plugin for plugin in api.get("plugins/").json()}
    assert {"files", "postgres", "rest_api", "sqlite"} <= plugins.keys()
    formats = plugins["files"]["settings"][0]
    assert (formats["name"], formats["kind"], formats["required"]) == ("format", "choice", True)
    assert {"value": "csv", "label": "CSV"} in formats["choices"]
    delimiter = next(each for each in plugins["files"]["settings"] if each["name"] == "delimiter")
    assert delimiter["shown_when"] == {"setting": "format", "values": ["csv"]}


def test_a_connector_is_made_and_found_at_its_address(api: Api) -> None:
    answer = api.post("connectors/", connector_body(environment="staging"))
    made = answer.json()
    assert answer.status_code == 201
    assert answer["Location"].endswith(f"/api/v1/workspaces/acme/connectors/{made['id']}/")
    assert api.client.get(answer["Location"]).json() == made
    assert (made["environment"], made["settings"]["delimiter"], made["check"]["state"]) == ("staging", ",", "unknown")


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"workspace": MISSING}, "workspace"),
        ({"check_state": "ok"}, "check_state"),
        ({"id": MISSING}, "id"),
        ({"settings": {"format": "csv", "nonsense": 1}}, "nonsense"),
        ({"settings": {"format": "xml"}}, "format"),
        ({"settings": {"pattern": "a\x00"}}, "settings.pattern"),
        ({"settings": ["format"]}, "settings"),
        ({"environment": "moon"}, "environment"),
        ({"plugin": "nonsense"}, "plugin"),
        ({"name": " "}, "name"),
        ({"credential": MISSING}, "credential"),
        ({"credential": "1"}, "credential"),
        ({"policy": MISSING}, "policy"),
    ],
)
def test_what_a_connector_does_not_take_is_refused_by_its_field(
    api: Api, change: dict[str, object], field: str
) -> None:
    document = problem(api.post("connectors/", connector_body(**change)), 400, "input_invalid")
    assert list(document["errors"]) == [field]
    assert not Connector.objects.exists()


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (r'{"name": "\ud800"}', "name"),
        (r'{"\ud800": 1}', "request"),
        (r'{"settings": {"a": ["\ud800"]}}', "settings.a.0"),
        (r'{"settings": {"a": 1e999}}', "settings.a"),
        ('{"settings": ' + "[" * 40 + "]" * 40 + "}", "settings" + ".0" * 31),
    ],
)
def test_what_no_database_takes_is_refused_where_it_stands(api: Api, body: str, field: str) -> None:
    answer = api.client.generic("POST", f"{api.base}connectors/", body, content_type="application/json")
    assert list(problem(answer, 400, "input_invalid")["errors"]) == [field]


def test_a_credential_of_another_workspace_looks_like_one_that_never_was(api: Api, elsewhere: Api) -> None:
    foreign = credential(elsewhere)
    answers = [api.post("connectors/", rest_body(credential=given)) for given in (foreign, MISSING)]
    said = [problem(answer, 400, "input_invalid")["errors"] for answer in answers]
    assert said[0] == said[1] == {"credential": ["There is no such object in this workspace."]}


def test_a_credential_that_does_not_fit_the_plugin_is_refused(api: Api) -> None:
    document = problem(api.post("connectors/", connector_body(credential=credential(api))), 400, "input_invalid")
    assert "credential" in document["errors"]


def test_a_name_is_taken_once(api: Api) -> None:
    api.made("connectors/", connector_body())
    problem(api.post("connectors/", connector_body()), 409, "name_taken")


def test_a_patch_changes_only_what_it_names(api: Api) -> None:
    made = api.made("connectors/", connector_body())
    changed = api.patch(f"connectors/{made['id']}/", {"name": "Files"}).json()
    assert changed["name"] == "Files"
    assert changed["settings"] == made["settings"]


def test_a_put_replaces_and_leaves_the_plugin(api: Api) -> None:
    made = api.made("connectors/", connector_body(environment="staging"))
    path = f"connectors/{made['id']}/"
    changed = api.put(path, {"name": "Files", "settings": {"format": "jsonl"}}).json()
    assert (changed["environment"], changed["settings"]["format"]) == ("production", "jsonl")
    problem(api.put(path, {"name": "Files", "settings": {}, "plugin": "sqlite"}), 400, "input_invalid")


def test_a_connector_in_use_is_not_deleted_and_a_free_one_is(api: Api, flow: Flow) -> None:
    problem(api.delete(f"connectors/{flow.source}/"), 409, "state_conflict")
    free = api.made("connectors/", connector_body(name="free"))["id"]
    assert api.delete(f"connectors/{free}/").status_code == 204
    assert api.get(f"connectors/{free}/").status_code == 404


def test_a_token_cannot_choose_a_credential_nor_send_one_elsewhere(api: Api, world: World) -> None:
    token = Api(with_token(token_text(world.owner, world.workspace)), api.base)
    secret = credential(api)
    problem(token.post("connectors/", rest_body(credential=secret)), 403, "permission_denied")
    made = api.made("connectors/", rest_body(credential=secret))
    elsewhere = {**made["settings"], "base_url": "https://evil.example.org"}
    problem(token.patch(f"connectors/{made['id']}/", {"settings": elsewhere}), 403, "permission_denied")
    assert token.patch(f"connectors/{made['id']}/", {"name": "Renamed"}).status_code == 200


def test_a_check_says_and_stores_its_verdict(api: Api, folder: Path) -> None:
    made = api.made("connectors/", connector_body())
    body = api.post(f"connectors/{made['id']}/check/").json()
    assert (body["ok"], body["code"]) == (True, "")
    assert isinstance(body["milliseconds"], int)
    assert api.get(f"connectors/{made['id']}/").json()["check"]["state"] == "ok"


def test_a_check_that_fails_says_what_to_do(api: Api, folder: Path) -> None:
    made = api.made("connectors/", connector_body(settings={"format": "csv", "path": "nowhere"}))
    body = api.post(f"connectors/{made['id']}/check/").json()
    assert not body["ok"]
    assert body["what_to_do"]
    assert Event.objects.filter(kind="connector.checked", level="error").count() == 1


def test_a_body_that_a_check_would_ignore_is_refused(api: Api, folder: Path) -> None:
    made = api.made("connectors/", connector_body())
    document = problem(api.post(f"connectors/{made['id']}/check/", {"deep": True}), 400, "input_invalid")
    assert list(document["errors"]) == ["deep"]


def test_streams_come_with_columns_and_a_proposed_mapping(api: Api, flow: Flow) -> None:
    streams = {each["name"]: each for each in api.get(f"connectors/{flow.source}/streams/").json()}
    orders = streams["orders.csv"]
    assert [column["name"] for column in orders["columns"]] == ["id", "amount", "note"]
    assert [field["target"] for field in orders["proposed_mapping"]["fields"]] == ["id", "amount", "note"]


def test_streams_of_what_is_not_there_are_a_problem_with_what_to_do(api: Api, folder: Path) -> None:
    made = api.made("connectors/", connector_body(settings={"format": "csv", "path": "nowhere"}))
    answer = api.get(f"connectors/{made['id']}/streams/")
    assert answer.status_code in (422, 503)
    assert answer.json()["what_to_do"]


def test_a_preview_shows_what_each_field_makes_of_each_record(api: Api, flow: Flow) -> None:
    body = {"stream": "orders.csv", "mapping": {**MAPPING, "filter": "id < 4"}}
    seen = api.post(f"connectors/{flow.source}/preview/", body).json()
    assert [row["verdict"] for row in seen["rows"]] == ["accepted", "accepted", "rejected", "filtered"]
    assert "amount" in seen["rows"][2]["errors"]
    assert seen["columns"][0] == {"name": "id", "type": "integer"}


def test_a_preview_is_bounded(api: Api, flow: Flow, folder: Path) -> None:
    (folder / "orders.csv").write_text("id,amount\n" + "".join(f"{number},1\n" for number in range(500)))
    path = f"connectors/{flow.source}/preview/"
    body = {"stream": "orders.csv", "mapping": MAPPING}
    assert len(api.post(path, body).json()["rows"]) == 20
    assert len(api.post(path, {**body, "limit": 3}).json()["rows"]) == 3
    problem(api.post(path, {**body, "limit": 21}), 400, "input_invalid")


def test_a_preview_shows_an_error_at_its_expression(api: Api, flow: Flow) -> None:
    field = {"target": "id", "expression": "no_such_column", "type": "integer"}
    body = {"stream": "orders.csv", "mapping": {"fields": [field]}}
    seen = api.post(f"connectors/{flow.source}/preview/", body).json()
    assert (seen["problems"][0]["field"], seen["problems"][0]["code"]) == (0, "unknown_column")


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"stream": "nothing.csv"}, 422, "stream_missing"),
        ({"mapping": {"fields": [{"target": "a", "expression": "id", "type": "nonsense"}]}}, 400, "mapping_invalid"),
        ({"mapping": {"fields": [{"target": "a", "expression": "id", "typ": "text"}]}}, 400, "input_invalid"),
        ({"mapping": {"filter": ""}}, 400, "input_invalid"),
        ({"mapping": "id"}, 400, "input_invalid"),
    ],
)
def test_a_preview_that_cannot_be_made_says_why(
    api: Api, flow: Flow, change: dict[str, object], status: int, code: str
) -> None:
    body = {"stream": "orders.csv", "mapping": MAPPING, **change}
    problem(api.post(f"connectors/{flow.source}/preview/", body), status, code)


@pytest.mark.security("SEC-030")
def test_an_operator_sees_no_sample(as_person: AsPerson, world: World, flow: Flow) -> None:
    body = {"stream": "orders.csv", "mapping": MAPPING}
    answer = as_person(world.operator).post(f"connectors/{flow.source}/preview/", body)
    problem(answer, 403, "permission_denied")


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ({"plugin": "sqlite"}, {"B"}),
        ({"environment": ["staging", "development"]}, {"B", "C"}),
        ({"state": "ok"}, {"C"}),
        ({"search": "a"}, {"A"}),
        ({}, {"A", "B", "C"}),
    ],
)
def test_connectors_are_filtered(api: Api, folder: Path, query: dict[str, object], names: set[str]) -> None:
    api.made("connectors/", connector_body(name="A"))
    sqlite = {"plugin": "sqlite", "settings": {"path": "b.sqlite3"}}
    api.made("connectors/", connector_body(name="B", environment="staging", **sqlite))
    checked = api.made("connectors/", connector_body(name="C", environment="development"))
    api.post(f"connectors/{checked['id']}/check/")
    assert {each["name"] for each in api.get("connectors/", **query).json()["results"]} == names
