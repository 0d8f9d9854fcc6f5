"""REST: a change that waits for a second person, and its decision."""

from __future__ import annotations

import pytest

from tests.api.conftest import Api, Flow, problem
from tests.world import World

pytestmark = pytest.mark.django_db


def test_a_version_waits_and_its_asker_may_only_take_it_back(api: Api, flow: Flow) -> None:
    one = f"integrations/{flow.integration}/"
    values = api.get(f"{one}versions/1/").json()
    made = api.made("policies/", {"name": "Two", "rules": {"approval.activate": True}, "is_default": True})
    sent = {name: values[name] for name in ("source_stream", "destination_stream", "mapping", "write_mode", "key")}
    api.made(f"{one}versions/", {"source": flow.source, "destination": flow.destination, **sent})
    answer = api.post(f"{one}activate/", {"version": 2})
    assert (answer.status_code, answer.json()["state"], answer.json()["version"]) == (202, "open", 2)
    assert answer.json()["approvers"] == ["Admin", "Builder"]
    path = f"approvals/{answer.json()['id']}/"
    problem(api.post(f"{path}approve/", {}), 403, "permission_denied")
    problem(api.post(f"{path}decline/", {"note": "no"}), 403, "permission_denied")
    assert api.post(f"{path}withdraw/").json()["state"] == "withdrawn"
    assert [each["state"] for each in api.get("approvals/").json()["results"]] == ["withdrawn"]
    asked = api.patch(f"policies/{made['id']}/", {"rules": {"retry.attempts": 9}})
    assert (asked.status_code, asked.json()["kind"]) == (202, "policy")
    assert api.get(f"policies/{made['id']}/").json()["rules"] == {"approval.activate": True}


def test_a_new_integration_is_held_and_every_start_says_who_may_approve(api: Api, flow: Flow, world: World) -> None:
    api.made("policies/", {"name": "Two", "rules": {"approval.activate": True}, "is_default": True})
    values = api.get(f"integrations/{flow.integration}/versions/1/").json()
    sent = {name: values[name] for name in ("source_stream", "destination_stream", "mapping", "write_mode", "key")}
    made = api.made(
        "integrations/", {"name": "second", "version": {"source": flow.source, "destination": flow.destination, **sent}}
    )
    held = made["deployments"][0]["held"]
    assert held["approval"] == api.get("approvals/").json()["results"][0]["id"]
    assert world.admin.display_name in held["approvers"]
    refused = problem(api.post(f"integrations/{made['id']}/runs/", {}), 409, "approval_needed")
    assert world.admin.display_name in refused["what_to_do"]
