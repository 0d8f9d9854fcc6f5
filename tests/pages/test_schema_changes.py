"""The page and the API of columns that changed."""

from __future__ import annotations

import json

import pyarrow as pa
import pytest

from integrations.models import Integration, Policy, SchemaChange
from tests.pages.moving import MARKUP, Moving, moving
from tests.world import Answer, signed_in

__all__ = ["moving"]
ROW = {"id": 1, "amount": "1.50"}


@pytest.fixture
def change(moving: Moving) -> SchemaChange:
    """A new column, whose name and values would be markup, met by the second run."""
    moving.run(good=1)
    fields = [("id", pa.int64()), ("amount", pa.string()), (MARKUP, pa.string())]
    moving.outside.schema = pa.schema([pa.field(name, kind) for name, kind in fields])
    moving.outside.rows = [{**ROW, MARKUP: "Graz"}]
    moving.work(moving.start())
    return SchemaChange.objects.get()


def path(moving: Moving) -> str:
    return f"integrations/{moving.deployment.integration_id}/columns/"


def call(moving: Moving, method: str, rest: str, body: dict[str, object] | None = None) -> Answer:
    client = signed_in(moving.world.owner)
    address = f"/api/v1/workspaces/acme/schema-changes/{rest}"
    return client.generic(method, address, json.dumps(body) if body is not None else "", "application/json")


def test_before_the_first_run_nothing_is_known(moving: Moving) -> None:
    assert "Nothing is known yet" in moving.text(path(moving))


def test_a_change_is_shown_with_its_values_and_as_text(moving: Moving, change: SchemaChange) -> None:
    text = moving.text(path(moving))
    assert "is new (text)" in text
    assert "Graz" in text
    assert "<script>alert" not in text


def test_who_may_see_no_samples_sees_none(moving: Moving, change: SchemaChange) -> None:
    text = moving.text(path(moving), moving.world.viewer)
    assert "Graz" not in text
    assert "Mark as seen" not in text


@pytest.mark.parametrize(
    ("rules", "words"),
    [({"drift.added": "add"}, "active: records since then have it"),
     ({"drift.added": "add", "approval.activate": True}, "waits for approval")],
)  # fmt: skip
def test_the_item_says_what_became_of_the_version_with_the_column(
    moving: Moving, rules: dict[str, object], words: str
) -> None:
    moving.run(good=1)
    policy = Policy.objects.create(workspace=moving.world.workspace, name="Adds", rules=rules)
    Integration.objects.update(policy=policy)
    kinds = {"id": pa.int64(), "amount": pa.string(), "city": pa.string()}
    moving.outside.schema = pa.schema([pa.field(name, kind) for name, kind in kinds.items()])
    moving.outside.rows = [{**ROW, "city": "Graz"}]
    moving.work(moving.start())
    assert words in moving.text(path(moving))
    told = "Version 2 maps it." if "active" in words else "Version 2 would map it, and is not active."
    assert told in moving.text("notifications/")


def test_the_integration_says_how_many_changes_wait(moving: Moving, change: SchemaChange) -> None:
    page = moving.page(f"integrations/{moving.deployment.integration_id}/")
    assert page.context["deployment"].open_changes == 1


def test_a_change_is_marked_as_seen_with_a_note(moving: Moving, change: SchemaChange) -> None:
    moving.post(f"{path(moving)}{change.pk}/", {"note": "agreed"})
    page = moving.page(path(moving))
    assert (page.context["open"], [seen.note for seen in page.context["resolved"]]) == ([], ["agreed"])
    assert [name for name, _, _ in page.context["columns"]] == ["id", "amount", MARKUP]


def test_the_api_lists_changes_their_values_and_marks_them(moving: Moving, change: SchemaChange) -> None:
    listed = call(moving, "GET", "?state=open").json()["results"]
    assert [(item["kind"], item["touches"]) for item in listed] == [("added", [])]
    assert call(moving, "GET", f"{change.pk}/values/").json() == {"values": ["Graz"]}
    assert call(moving, "POST", f"{change.pk}/resolve/", {"note": "agreed"}).json()["state"] == "resolved"
    assert call(moving, "POST", f"{change.pk}/resolve/", {}).status_code == 409
