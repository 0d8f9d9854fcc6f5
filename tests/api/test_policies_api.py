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


def test_a_policy_is_tried_before_it_is_stored(api: Api, flow: Flow) -> None:
    made = api.made("policies/", PATIENT)
    api.patch(f"integrations/{flow.integration}/", {"policy": made["id"]})
    tried = api.post("policies/simulate/", {"policy": made["id"], "rules": {"timeout.read_seconds": 5}}).json()
    assert (tried["integrations"], tried["problems"]) == (1, {})
    findings = {each["rule"]: each for each in tried["findings"]}
    assert "not stored" in findings["timeout.read_seconds"]["unknown"]
    assert findings["retry.attempts"]["count"] == 0
    assert Policy.objects.get().rules == {"retry.attempts": 10}


def test_what_would_be_refused_is_said_when_it_is_tried(api: Api) -> None:
    rules = {"retry.first_delay_seconds": 60, "retry.longest_delay_seconds": 30}
    assert "longer" in api.post("policies/simulate/", {"rules": rules}).json()["problems"]["retry.first_delay_seconds"]
    problem(api.post("policies/simulate/", {"rules": {"x.y": 1}}), 400, "input_invalid")


@pytest.mark.parametrize(
    ("rules", "limits", "field"),
    [
        ({"retry.attempts": 3}, ["retry.longest_delay_seconds"], "retry.longest_delay_seconds"),
        ({"retry.first_delay_seconds": 400}, [], "retry.first_delay_seconds"),
        ({"retention.events_days": 10}, [], "retention.events_days"),
        ({"masking.fields": [{"field": "email", "how": "melt"}]}, [], "masking.fields"),
    ],
)
def test_a_setting_that_would_do_nothing_is_refused(api: Api, rules: object, limits: list[str], field: str) -> None:
    given = {"name": "Odd", "rules": rules, "limits": limits}
    assert list(problem(api.post("policies/", given), 400, "input_invalid")["errors"]) == [field]


def test_a_lower_level_may_tighten_a_limit_and_not_loosen_it(api: Api, flow: Flow) -> None:
    house = {"name": "House", "rules": {"retry.attempts": 4}, "limits": ["retry.attempts"], "is_default": True}
    stored = api.made("policies/", house)
    assert stored["limits"] == ["retry.attempts"]
    refused = problem(api.post("policies/", {"name": "Eager", "rules": {"retry.attempts": 5}}), 400, "input_invalid")
    assert "limits attempts to 4; here it may only be lower" in refused["errors"]["retry.attempts"][0]
    lower = api.made("policies/", {"name": "Strict", "rules": {"retry.attempts": 3}})
    api.patch(f"connectors/{flow.source}/", {"policy": lower["id"]})
    assert effective(api, connector=flow.source)["retry.attempts"]["bound"]["policy"] == "House"
    api.patch(f"policies/{stored['id']}/", {"rules": {"retry.attempts": 2}})
    rule = effective(api, connector=flow.source)["retry.attempts"]
    assert (rule["value"], rule["asked"]["value"]) == (2, 3)
    assert effective(api)["masking.fields"]["kind"] == "list"


def test_a_change_from_an_older_revision_is_refused(api: Api) -> None:
    path = f"policies/{api.made('policies/', PATIENT)['id']}/"
    assert api.patch(path, {"description": "one", "revision": 1}).json()["revision"] == 2
    document = problem(api.patch(path, {"description": "two", "revision": 1}), 409, "policy_changed")
    assert "Description: none → one" in document["detail"]
    problem(api.put(path, {"name": "Quick", "rules": {}, "revision": 1}), 409, "policy_changed")
    assert api.patch(path, {"description": "two"}).json()["revision"] == 3
    problem(api.post("policies/", {**PATIENT, "name": "Other", "revision": 1}), 400, "input_invalid")


def test_the_rules_of_an_integration_come_from_both_ends(api: Api, flow: Flow) -> None:
    made = api.made("policies/", {"name": "Loads", "rules": {"timeout.run_seconds": 60, "limit.answer_megabytes": 5}})
    api.patch(f"connectors/{flow.destination}/", {"policy": made["id"]})
    rule = effective(api, integration=flow.integration)["timeout.run_seconds"]
    assert (rule["value"], rule["policy"], rule["read_from"]) == (60, "Loads", "both")
    assert (rule["ends"]["source"]["value"], rule["ends"]["destination"]["value"]) == (86_400, 60)
    assert effective(api, connector=flow.source, integration=flow.integration)["timeout.run_seconds"]["ends"] is None
    assert effective(api)["limit.pages"]["read_from"] == "source"
