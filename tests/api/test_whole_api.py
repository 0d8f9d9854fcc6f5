"""What holds for the whole API of integrations: its document, strict queries, pages, media types, query counts."""

from __future__ import annotations

from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext
from drf_spectacular.generators import SchemaGenerator

from tests.api.conftest import Api, connector_body, make_flow, problem
from tests.examples import Shelf
from tests.world import World

pytestmark = pytest.mark.django_db
LISTS = ["connectors/", "credentials/", "policies/", "integrations/", "runs/", "dead-letters/"]
ALONE = ["plugins/", "credential-kinds/", "policies/effective/"]


def document() -> dict[str, Any]:
    made: dict[str, Any] = SchemaGenerator().get_schema(public=True)  # type: ignore[no-untyped-call]  # untyped package
    return made


def test_the_document_is_valid_and_written_without_a_warning() -> None:
    call_command("spectacular", "--validate", "--fail-on-warn", stdout=StringIO())


def test_operation_ids_are_clean_and_unique() -> None:
    paths = document()["paths"]
    ids = [operation["operationId"] for path in paths.values() for operation in path.values()]
    assert len(ids) == len(set(ids))
    assert {"workspaces_runs_cancel", "workspaces_integrations_start_run", "workspaces_connectors_check"} <= set(ids)
    assert not [each for each in ids if each.endswith("_2")]


def test_what_reaches_out_documents_that_the_outside_may_fail() -> None:
    paths = document()["paths"]
    for name, method in (("streams", "get"), ("preview", "post")):
        path = f"/api/v1/workspaces/{{workspace}}/connectors/{{connector_id}}/{name}/"
        assert {"422", "503"} <= paths[path][method]["responses"].keys()


@pytest.mark.security("SEC-050")
def test_no_answer_of_the_document_has_a_field_for_a_secret() -> None:
    schemas = document()["components"]["schemas"]
    assert not {"values", "ciphertext", "secret", "token"} & schemas["Credential"]["properties"].keys()


@pytest.mark.parametrize("path", LISTS + ALONE)
@pytest.mark.parametrize("query", [{"nonsense": "1"}, {"ordering": "name"}, {"id__in": "1"}, {"unmask": "1"}])
@pytest.mark.security("SEC-090")
def test_a_parameter_that_would_do_nothing_is_refused(api: Api, path: str, query: dict[str, str]) -> None:
    document = problem(api.get(path, **query), 400, "input_invalid")
    assert list(document["errors"]) == list(query)


@pytest.mark.parametrize(
    ("path", "query"),
    [
        ("runs/", {"state": "sleeping"}),
        ("runs/", {"integration": "1"}),
        ("runs/", {"since": "yesterday"}),
        ("runs/", {"since": ["2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z"]}),
        ("runs/", {"state": ""}),
        ("runs/", {"page_size": "201"}),
        ("runs/", {"page_size": "0"}),
        ("runs/", {"page_size": "many"}),
        ("connectors/", {"environment": "moon"}),
        ("connectors/", {"search": "a\x00"}),
        ("policies/effective/", {"connector": "1"}),
    ],
)
def test_a_parameter_that_cannot_be_used_is_refused(api: Api, path: str, query: dict[str, str]) -> None:
    assert list(problem(api.get(path, **query), 400, "input_invalid")["errors"]) == list(query)


@pytest.mark.parametrize("moment", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"])
def test_a_time_at_the_edge_of_the_calendar_is_refused(api: Api, moment: str) -> None:
    assert list(problem(api.get("runs/", since=moment), 400, "input_invalid")["errors"]) == ["since"]


def test_a_query_is_not_judged_before_the_permission(world: World, elsewhere: Api) -> None:
    problem(elsewhere.client.get(world.api_url("runs/"), {"nonsense": "1"}), 404, "not_found")


@pytest.mark.parametrize("path", ["connectors/", "credentials/", "policies/", "integrations/", "dead-letters/discard/"])
@pytest.mark.parametrize(
    "media", ["text/plain", "multipart/form-data; boundary=x", "application/x-www-form-urlencoded"]
)
@pytest.mark.security("SEC-087")
def test_another_media_type_is_refused(api: Api, path: str, media: str) -> None:
    answer = api.client.generic("POST", api.base + path, "name=x", content_type=media)
    problem(answer, 415, "media_type_unsupported")


@pytest.mark.parametrize("body", ["[]", '"text"', "1", "{", "null"])
def test_a_body_that_is_no_object_is_refused(api: Api, body: str) -> None:
    answer = api.client.generic("POST", f"{api.base}connectors/", body, content_type="application/json")
    problem(answer, 400, "input_invalid")


def test_pages_follow_a_cursor_without_a_gap_or_a_repeat(api: Api) -> None:
    made = [api.made("connectors/", connector_body(name=f"c{number}"))["id"] for number in range(5)]
    page = api.get("connectors/", page_size=2).json()
    seen = [each["id"] for each in page["results"]]
    api.made("connectors/", connector_body(name="late"))
    while page["next"]:
        page = api.client.get(page["next"]).json()
        seen += [each["id"] for each in page["results"]]
    assert seen == made[::-1]


@pytest.mark.parametrize("path", [*LISTS, "versions", "batches", "events"])
def test_a_list_asks_the_database_as_often_for_many_rows_as_for_one(
    api: Api, world: World, folder: object, path: str
) -> None:
    shelf = Shelf(world.workspace, world.owner)
    nested = {
        "versions": f"integrations/{shelf.value('integration_id')}/versions/",
        "batches": f"runs/{shelf.value('run_id')}/batches/",
        "events": f"runs/{shelf.value('run_id')}/events/",
    }
    for argument in ("credential_id", "policy_id", "letter_id"):
        shelf.value(argument)
    address = nested.get(path, path)
    few = queries(api, address)
    for number in range(3):
        more(api, shelf, number)
    assert queries(api, address) == few
    assert few <= 8


def more(api: Api, shelf: Shelf, number: int) -> None:
    """One more of everything."""
    flow = make_flow(api, f"flow-{number}")
    api.patch(f"connectors/{flow.source}/", {"policy": str(shelf.value("policy_id"))})
    run = api.made(f"integrations/{flow.integration}/runs/", None)["id"]
    api.post(f"runs/{run}/cancel/")
    api.put(f"integrations/{flow.integration}/schedule/", {"kind": "interval", "every_seconds": 60})


def queries(api: Api, path: str) -> int:
    with CaptureQueriesContext(
        connection,
    ) as seen:
        assert api.get(path).status_code == 200
    return len(seen)
