"""REST: policies, and what remains of them after inheritance."""

from __future__ import annotations

from typing import Any

import pytest

from integrations.models import Policy
from tests.api.conftest import Api, Flow, problem

pytestmark = pytest.mark.django_db
PATIENT: dict[str, Any] = {"name": "Patient", "rules": {"retry.attempts": 10}}


def effective(api: Api, **query: object) -> dict[str, Any]:
    return {rule["name"]: rule for rule in api.get("policies/effective/", **query).json()}


def test_a_policy_is_made_changed_and_deleted(api: Api) -> None:
    answer = api.post("policies/", PATIENT)
    path = f"policies/{answer.json()['id']}/"
    assert answer["Location"].endswith(path)
    assert api.patch(path, {"description": "For slow systems."}).json()["rules"] == {"retry.attempts": 10}
    assert api.put(path, {"name": "Quick", "rules": {}}).json()["description"] == ""
    assert api.delete(path).status_code == 204
    assert not Policy.objects.exists()


@pytest.mark.parametrize(
    ("rules", "field"),
    [
        ({"retry.atempts": 3}, "retry.atempts"),
        ({"retry.attempts": 0}, "retry.attempts"),
        ({"retry.attempts": "3"}, "retry.attempts"),
        ({"retry.attempts": True}, "retry.attempts"),
        ([], "rules"),
    ],
)
def test_a_rule_that_would_do_nothing_is_refused(api: Api, rules: object, field: str) -> None:
    document = problem(api.post("policies/", {"name": "Odd", "rules": rules}), 400, "input_invalid")
    assert list(document["errors"]) == [field]


def test_the_instance_decides_where_nobody_else_does(api: Api) -> None:
    rule = effective(api)["retry.attempts"]
    assert (rule["value"], rule["level"], rule["replaced"]) == (5, "instance", [])
    assert rule["maximum"] == 50


def test_the_nearest_level_wins_and_says_what_it_replaced(api: Api, flow: Flow) -> None:
    policies = [
        api.made("policies/", {**PATIENT, "is_default": True}),
        api.made("policies/", {"name": "Connector", "rules": {"retry.attempts": 3}}),
        api.made("policies/", {"name": "Integration", "rules": {"retry.attempts": 2}}),
    ]
    api.patch(f"connectors/{flow.source}/", {"policy": policies[1]["id"]})
    api.patch(f"integrations/{flow.integration}/", {"policy": policies[2]["id"]})
    rule = effective(api, connector=flow.source, integration=flow.integration)["retry.attempts"]
    assert (rule["value"], rule["level"], rule["policy"]) == (2, "integration", "Integration")
    assert [each["value"] for each in rule["replaced"]] == [5, 10, 3]


def test_a_policy_in_use_is_not_deleted(api: Api, flow: Flow) -> None:
    made = api.made("policies/", PATIENT)
    api.patch(f"integrations/{flow.integration}/", {"policy": made["id"]})
    assert "orders" in problem(api.delete(f"policies/{made['id']}/"), 409, "state_conflict")["detail"]


def test_a_foreign_connector_has_no_effective_policy_here(api: Api, elsewhere: Api) -> None:
    foreign = elsewhere.made("connectors/", {"name": "x", "plugin": "files", "settings": {}})["id"]
    document = problem(api.get("policies/effective/", connector=foreign), 400, "input_invalid")
    assert document["errors"] == {"connector": ["There is no such object in this workspace."]}


def test_policies_are_found_by_name(api: Api) -> None:
    api.made("policies/", PATIENT)
    assert [each["name"] for each in api.get("policies/", search="pat").json()["results"]] == ["Patient"]
    assert api.get("policies/", search="quick").json()["results"] == []
