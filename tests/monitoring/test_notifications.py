"""What members should look at: it is there while it is so, live, and read by each member for themselves."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from accounts.models import User
from integrations.domain.approval import ApprovalKind
from integrations.domain.lifecycle import RunState
from integrations.models import ApprovalRequest, Breaker, Connector, Freshness, Run, SchemaChange, UncertainBatch
from integrations.models.connector import CheckState
from integrations.services import drift
from integrations.services.integrations import add_version, flow_of
from monitoring.models import NotificationRead
from tests.pages.moving import MARKUP, Moving, moving
from tests.world import Answer, World, signed_in

__all__ = ["moving"]
pytestmark = pytest.mark.django_db
PATH = "notifications/"


def ended(moving: Moving, state: RunState, minute: int, message: str = "") -> Run:
    when = timezone.now() - timedelta(minutes=60 - minute)
    place = moving.deployment
    return Run.objects.create(
        workspace=place.workspace, deployment=place, version=place.version, trigger="manual", state=state,
        next_attempt_at=when, started_at=when, finished_at=when, error_message=message,
    )  # fmt: skip


def changed(moving: Moving, column: str = "city") -> SchemaChange:
    return SchemaChange.objects.create(
        workspace=moving.world.workspace, deployment=moving.deployment, kind="added", column=column, after="text",
        seen_at=timezone.now(),
    )  # fmt: skip


def api(moving: Moving, rest: str = "", body: dict[str, object] | None = None, user: User | None = None) -> Answer:
    client = signed_in(user or moving.world.owner)
    address = f"/api/v1/workspaces/acme/notifications/{rest}"
    if body is None:
        return client.get(address)
    return client.post(address, json.dumps(body), content_type="application/json")


def listed(moving: Moving, user: User | None = None) -> list[dict[str, object]]:
    found: list[dict[str, object]] = api(moving, user=user).json()
    return found


def count(moving: Moving, user: User | None = None) -> str:
    return moving.text(f"{PATH}count/", user).strip()


def test_where_all_is_well_there_is_nothing_to_look_at(moving: Moving) -> None:
    ended(moving, RunState.SUCCEEDED, 1)
    assert "Nothing to look at" in moving.text(PATH)
    assert count(moving) == ""


def test_failures_in_a_row_are_one_thing_that_goes_when_a_run_succeeds(moving: Moving) -> None:
    ended(moving, RunState.SUCCEEDED, 1)
    first = ended(moving, RunState.FAILED, 2)
    last = ended(moving, RunState.FAILED, 3, message="The table is gone.")
    (found,) = listed(moving)
    assert (found["kind"], found["title"], found["detail"]) == (
        "integration_failing", "numbers is failing", "The table is gone.",
    )  # fmt: skip
    assert found["page"] == f"/w/acme/runs/{last.pk}/"
    assert first.finished_at is not None
    assert str(found["since"]).startswith(first.finished_at.strftime("%Y-%m-%dT%H:%M:%S"))
    ended(moving, RunState.SUCCEEDED, 4)
    assert listed(moving) == []


def test_a_column_that_changed_is_told_with_what_it_touches_until_somebody_has_seen_it(moving: Moving) -> None:
    change = changed(moving, MARKUP)
    text = moving.text(PATH)
    assert "is new (text)" in text
    assert "The mapping does not read it." in text
    assert f"integrations/{moving.deployment.integration_id}/columns/" in text
    assert "<script>alert" not in text
    drift.resolve(change=change, note="", user=None)
    assert "Nothing to look at" in moving.text(PATH)


def uncertain(moving: Moving) -> None:
    run = ended(moving, RunState.SUCCEEDED, 1)
    for number in (1, 2):
        UncertainBatch.objects.create(
            workspace=moving.world.workspace, integration=moving.deployment.integration, run=run, number=number,
            records=10, reason="It was sent again.",
        )  # fmt: skip


def stale(moving: Moving) -> None:
    Freshness.objects.create(
        workspace=moving.world.workspace, deployment=moving.deployment, since=timezone.now(), longest_minutes=60
    )


def stopped(moving: Moving) -> None:
    Breaker.objects.create(workspace=moving.world.workspace, host="shop.test:443", state="open", reason="9 of 10 fail.")


def untestable(moving: Moving) -> None:
    Connector.objects.update(check_state=CheckState.FAILED, check_message="No.", check_state_since=timezone.now())


def asked(moving: Moving) -> None:
    version = add_version(
        integration=moving.deployment.integration, flow=flow_of(moving.deployment.version), user=moving.world.builder
    )
    ApprovalRequest.objects.create(
        workspace=moving.world.workspace, kind=ApprovalKind.VERSION, deployment=moving.deployment, version=version,
        title="Activate version 2 of numbers", asked_by=moving.world.builder,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("cause", "kind", "title"),
    [
        (uncertain, "batches_uncertain", "numbers: 2 batches may have arrived twice"),
        (stale, "integration_stale", "numbers is stale"),
        (stopped, "calls_stopped", "Calls to shop.test:443 are kept back"),
        (untestable, "connector_failing", "lists failed its connection test"),
        (asked, "approval_asked", "Activate version 2 of numbers"),
    ],
)
def test_each_thing_is_told_and_its_page_is_there(
    moving: Moving, cause: Callable[[Moving], None], kind: str, title: str
) -> None:
    cause(moving)
    (found,) = listed(moving)
    assert (found["kind"], found["title"], found["is_read"]) == (kind, title, False)
    assert signed_in(moving.world.owner).get(str(found["page"])).status_code == 200


def test_who_asked_for_an_approval_and_who_may_not_decide_are_not_told_of_it(moving: Moving) -> None:
    asked(moving)
    assert [len(listed(moving, user)) for user in (moving.world.owner, moving.world.builder, moving.world.viewer)] == [
        1, 0, 0,
    ]  # fmt: skip


def test_who_wrote_a_version_is_not_told_to_approve_it(moving: Moving) -> None:
    asked(moving)
    ApprovalRequest.objects.update(asked_by=moving.world.admin)
    assert [len(listed(moving, user)) for user in (moving.world.owner, moving.world.builder)] == [1, 0]


def test_each_member_reads_for_themselves(moving: Moving) -> None:
    changed(moving)
    (key,) = [each["key"] for each in listed(moving)]
    assert ">1<" in count(moving)
    moving.post(PATH, {"key": key})
    assert count(moving) == ""
    assert ">1<" in count(moving, moving.world.viewer)
    assert "Mark unread" in moving.text(PATH)
    assert "Nothing unread" in moving.text(f"{PATH}?show=unread")


def test_what_was_read_can_be_marked_as_unread(moving: Moving) -> None:
    changed(moving)
    keys = [each["key"] for each in listed(moving)]
    assert api(moving, "read/", {"keys": keys}).status_code == 204
    assert [each["is_read"] for each in listed(moving)] == [True]
    assert api(moving, "unread/", {"keys": keys}).status_code == 204
    assert [each["is_read"] for each in listed(moving)] == [False]


def test_what_comes_back_is_unread_again(moving: Moving) -> None:
    ended(moving, RunState.FAILED, 1)
    moving.post(PATH, {"key": listed(moving)[0]["key"]})
    ended(moving, RunState.FAILED, 2)
    assert [each["is_read"] for each in listed(moving)] == [True]
    ended(moving, RunState.SUCCEEDED, 3)
    ended(moving, RunState.FAILED, 4)
    assert [each["is_read"] for each in listed(moving)] == [False]


def test_marking_all_marks_what_was_shown_and_nothing_that_came_since(moving: Moving) -> None:
    changed(moving)
    shown = moving.page(PATH).context["unread"]
    changed(moving, "country")
    moving.post(PATH, {"key": shown})
    assert ">1<" in count(moving)


def test_marks_of_what_is_gone_do_not_pile_up(moving: Moving) -> None:
    for number in range(3):
        change = changed(moving, f"column {number}")
        moving.post(PATH, {"key": f"schema:{change.pk}"})
        drift.resolve(change=change, note="", user=None)
    assert NotificationRead.objects.count() == 1


def test_a_mark_of_what_is_not_there_is_kept_nowhere(moving: Moving) -> None:
    assert api(moving, "read/", {"keys": ["schema:of-nobody"]}).status_code == 204
    assert not NotificationRead.objects.exists()


@pytest.mark.parametrize("body", [{}, {"keys": []}, {"keys": "all"}, {"keys": ["x" * 121]}])
def test_marks_that_name_nothing_are_refused(moving: Moving, body: dict[str, object]) -> None:
    assert api(moving, "read/", body).status_code == 400


def test_another_workspace_s_things_are_not_told(moving: Moving, world: World) -> None:
    changed(moving)
    SchemaChange.objects.update(workspace=world.other)
    assert listed(moving) == []


def test_the_live_part_alone_is_answered_to_htmx_and_says_that_a_mark_was_made(moving: Moving) -> None:
    changed(moving)
    client = signed_in(moving.world.owner)
    answer = client.post(moving.world.url(PATH), {"key": listed(moving)[0]["key"]}, HTTP_HX_REQUEST="true")
    assert answer["HX-Trigger"] == "notifications"
    assert "<html" not in answer.content.decode()


def test_the_count_takes_as_many_queries_for_many_as_for_one(
    moving: Moving, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    for number in range(12):
        changed(moving, f"column {number}")
    client = signed_in(moving.world.owner)
    address = moving.world.url(f"{PATH}count/")
    client.get(address)
    with django_assert_num_queries(12):
        client.get(address)
