"""REST: integrations, versions and their difference, activation, switch, schedule, checkpoint."""

from __future__ import annotations

from typing import Any

import pytest

from integrations.models import Deployment, Integration
from tests.api.conftest import MAPPING, Api, AsPerson, Flow, make_flow, problem, version_body
from tests.world import World

pytestmark = pytest.mark.django_db


def new_version(api: Api, flow: Flow, **changes: object) -> dict[str, Any]:
    body = version_body(flow.source, flow.destination, **changes)
    return api.made(f"integrations/{flow.integration}/versions/", body)


def test_an_integration_is_active_with_its_first_version(api: Api, flow: Flow) -> None:
    made = api.get(f"integrations/{flow.integration}/").json()
    (deployment,) = made["deployments"]
    assert (made["name"], deployment["version"], deployment["enabled"]) == ("orders", 1, True)
    assert (deployment["source"]["id"], deployment["destination"]["name"]) == (flow.source, "orders warehouse")
    assert deployment["schedule"] is None


def test_the_answer_to_a_create_is_what_stands_at_its_address(api: Api, flow: Flow) -> None:
    body = {"name": "again", "description": "Twice.", "version": version_body(flow.source, flow.destination)}
    answer = api.post("integrations/", body)
    assert answer.status_code == 201
    assert api.client.get(answer["Location"]).json() == answer.json()


def test_a_version_says_what_the_destination_promises(api: Api, flow: Flow) -> None:
    version = api.get(f"integrations/{flow.integration}/versions/1/").json()
    assert version["guarantee"]["name"] == "transactional"
    assert version["guarantee"]["explanation"].startswith("Exactly once")
    assert version["mapping"] == MAPPING


@pytest.mark.parametrize(
    ("change", "code", "field"),
    [
        (
            {"mapping": {"fields": [{"target": "id", "expression": "id +", "type": "text"}]}},
            "mapping_invalid",
            "mapping",
        ),
        ({"key": ["nothing"]}, "input_invalid", "key"),
        ({"key": []}, "input_invalid", "key"),
        ({"write_mode": "replace"}, "input_invalid", "write_mode"),
        ({"read_mode": "incremental"}, None, None),
        ({"source": "0193f3a0-0000-7000-8000-000000000001"}, "input_invalid", "source"),
        ({"number": 7}, "input_invalid", "number"),
        ({"source_stream": ""}, "input_invalid", "source_stream"),
    ],
)
def test_a_version_that_cannot_run_is_refused_by_its_field(
    api: Api, flow: Flow, change: dict[str, object], code: str | None, field: str | None
) -> None:
    path = f"integrations/{flow.integration}/versions/"
    answer = api.post(path, version_body(flow.source, flow.destination, **change))
    if code is None:
        assert answer.status_code == 201, "files are read incrementally without a cursor field"
    else:
        assert list(problem(answer, 400, code)["errors"]) == [field]


def test_a_connector_of_another_workspace_is_no_source(api: Api, elsewhere: Api, flow: Flow) -> None:
    foreign = elsewhere.made("connectors/", {"name": "x", "plugin": "files", "settings": {}})["id"]
    body = {"name": "leak", "version": version_body(foreign, flow.destination)}
    document = problem(api.post("integrations/", body), 400, "input_invalid")
    assert document["errors"] == {"version.source": ["There is no such object in this workspace."]}
    assert Integration.objects.count() == 1


@pytest.mark.parametrize("name", ["Orders", "orders to", "-orders", "x" * 81])
def test_a_name_that_no_address_can_hold_is_refused(api: Api, flow: Flow, name: str) -> None:
    body = {"name": name, "version": version_body(flow.source, flow.destination)}
    assert list(problem(api.post("integrations/", body), 400, "input_invalid")["errors"]) == ["name"]


def test_a_name_is_taken_once(api: Api, flow: Flow) -> None:
    body = {"name": "orders", "version": version_body(flow.source, flow.destination)}
    problem(api.post("integrations/", body), 409, "name_taken")


def test_only_what_is_not_versioned_is_changed(api: Api, flow: Flow) -> None:
    path = f"integrations/{flow.integration}/"
    assert api.patch(path, {"description": "Nightly."}).json()["description"] == "Nightly."
    problem(api.patch(path, {"name": "other"}), 400, "input_invalid")


def test_versions_are_added_listed_and_told_apart(api: Api, flow: Flow) -> None:
    fields = [MAPPING["fields"][0], {"target": "note", "expression": "upper(note)", "type": "text"}]
    added = new_version(api, flow, mapping={"fields": fields, "filter": "id > 0"}, destination_stream="notes")
    path = f"integrations/{flow.integration}/versions/"
    assert [each["number"] for each in api.get(path).json()["results"]] == [added["number"], 1]
    found = api.get(f"{path}1/diff/2/").json()
    assert found["values"] == {"destination_stream": {"before": "orders", "after": "notes"}}
    assert [field["target"] for field in found["added"]] == ["note"]
    assert [field["target"] for field in found["removed"]] == ["amount"]
    assert found["filter"] == {"before": "", "after": "id > 0"}


def test_a_changed_field_says_what_of_it_differs(api: Api, flow: Flow) -> None:
    changed = {**MAPPING["fields"][1], "type": "text"}
    new_version(api, flow, mapping={"fields": [MAPPING["fields"][0], changed], "filter": ""})
    (change,) = api.get(f"integrations/{flow.integration}/versions/1/diff/2/").json()["changed"]
    assert (change["target"], change["changed"], change["after"]["type"]) == ("amount", ["type"], "text")


def test_a_version_does_nothing_until_it_is_activated(api: Api, flow: Flow) -> None:
    new_version(api, flow, destination_stream="elsewhere")
    path = f"integrations/{flow.integration}/"
    assert api.get(path).json()["deployments"][0]["version"] == 1
    assert api.post(f"{path}activate/", {"version": 2}).json()["version"] == 2
    assert api.get(path).json()["deployments"][0]["version"] == 2


@pytest.mark.parametrize(("version", "status"), [(9, 404), (0, 400), (10**30, 400), ("two", 400), (None, 400)])
def test_what_is_no_version_is_not_activated(api: Api, flow: Flow, version: object, status: int) -> None:
    answer = api.post(f"integrations/{flow.integration}/activate/", {"version": version})
    assert answer.status_code == status


def test_an_absurd_version_number_in_the_address_is_not_found(api: Api, flow: Flow) -> None:
    problem(api.get(f"integrations/{flow.integration}/versions/{10**30}/"), 404, "not_found")


def test_a_version_of_another_integration_is_not_activated(api: Api, flow: Flow) -> None:
    other = make_flow(api, "others")
    new_version(api, other)
    problem(api.post(f"integrations/{flow.integration}/activate/", {"version": 2}), 404, "not_found")


def test_an_operator_switches_and_does_not_activate(as_person: AsPerson, world: World, flow: Flow) -> None:
    operator = as_person(world.operator)
    path = f"integrations/{flow.integration}/"
    assert operator.post(f"{path}disable/").json()["enabled"] is False
    assert operator.post(f"{path}enable/").json()["enabled"] is True
    problem(operator.post(f"{path}activate/", {"version": 1}), 403, "permission_denied")


def test_a_switch_takes_no_body_that_it_would_ignore(api: Api, flow: Flow) -> None:
    answer = api.post(f"integrations/{flow.integration}/disable/", {"environment": "staging"})
    problem(answer, 400, "input_invalid")
    assert Deployment.objects.get().enabled


def test_a_schedule_is_set_shown_and_taken_away(api: Api, flow: Flow) -> None:
    path = f"integrations/{flow.integration}/schedule/"
    problem(api.get(path), 404, "not_found")
    answer = api.put(path, {"kind": "cron", "cron": "*/15 * * * *", "time_zone": "Europe/Berlin"})
    assert (answer.status_code, answer.json()["cron"]) == (200, "*/15 * * * *")
    assert answer.json()["next_due_at"]
    assert api.get(path).json() == answer.json()
    assert api.get(f"integrations/{flow.integration}/").json()["deployments"][0]["schedule"] == answer.json()
    assert api.delete(path).status_code == 204
    problem(api.get(path), 404, "not_found")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"kind": "interval", "every_seconds": 60, "cron": "* * * * *"}, "cron"),
        ({"kind": "cron", "cron": "* * * * *", "every_seconds": 60}, "every_seconds"),
        ({"kind": "cron", "cron": "nonsense"}, "cron"),
        ({"kind": "cron"}, "cron"),
        ({"kind": "interval"}, "every_seconds"),
        ({"kind": "interval", "every_seconds": 1}, "every_seconds"),
        ({"kind": "interval", "every_seconds": 60, "time_zone": "Mars/Base"}, "time_zone"),
        ({"kind": "lunar"}, "kind"),
    ],
)
def test_a_schedule_that_would_not_do_as_it_says_is_refused(
    api: Api, flow: Flow, body: dict[str, object], field: str
) -> None:
    answer = api.put(f"integrations/{flow.integration}/schedule/", body)
    assert list(problem(answer, 400, "input_invalid")["errors"]) == [field]


def test_a_checkpoint_is_reset_with_a_reason(api: Api, flow: Flow) -> None:
    Deployment.objects.update(cursor={"row": 3})
    path = f"integrations/{flow.integration}/reset-checkpoint/"
    problem(api.post(path, {}), 400, "input_invalid")
    assert api.post(path, {"reason": "The source was restored."}).json()["cursor_at"] is None
    deployment = Deployment.objects.get()
    assert (deployment.cursor, deployment.epoch) == (None, 1)


def test_a_deleted_integration_is_gone_and_frees_its_connectors(api: Api, flow: Flow) -> None:
    assert api.delete(f"integrations/{flow.integration}/").status_code == 204
    assert api.get(f"integrations/{flow.integration}/").status_code == 404
    assert api.delete(f"connectors/{flow.source}/").status_code == 204


def test_integrations_are_filtered(api: Api, flow: Flow, elsewhere: Api) -> None:
    other = make_flow(api, "invoices")
    api.post(f"integrations/{other.integration}/disable/")
    api.patch(f"integrations/{other.integration}/", {"description": "Paid by card"})

    def names(**query: object) -> list[str]:
        return [each["name"] for each in api.get("integrations/", **query).json()["results"]]

    assert names(search="order") == ["orders"]
    assert names(search="CARD") == ["invoices"]
    assert names(source=flow.source) == ["orders"]
    assert names(destination=other.destination) == ["invoices"]
    assert names(enabled="true") == ["orders"]
    assert names(policy=flow.source) == []
