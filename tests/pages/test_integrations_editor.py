"""The integration editor: saving, its messages at the fields, and what works without a script."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.messages import get_messages
from django.http import HttpResponse

from integrations.models import Deployment, Integration, IntegrationVersion, Schedule
from integrations.services.integrations import add_version
from tests.pages.integration_pages import connector, fields, flow, form, make, outside
from tests.world import World, signed_in

__all__ = ["outside"]
pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("outside")]


@pytest.fixture
def deployment(world: World) -> Deployment:
    return make(world.workspace)


def create(world: World, *rules: tuple[str, str, str], **changes: Any) -> HttpResponse:
    sent = form(world.workspace, *rules, **changes)
    return signed_in(world.builder).post(world.url("integrations/new/"), sent)  # type: ignore[return-value]


def edit(world: World, deployment: Deployment, *rules: tuple[str, str, str], **changes: Any) -> HttpResponse:
    sent = {**form(world.workspace, *rules), "origin": "1", "newest": "1", **changes}
    url = world.url(f"integrations/{deployment.integration_id}/edit/")
    return signed_in(world.builder).post(url, sent)  # type: ignore[return-value]


def text_of(response: HttpResponse) -> str:
    return " ".join(response.content.decode().split())


def said(response: HttpResponse) -> str:
    return " ".join(str(message) for message in get_messages(response.wsgi_request))  # type: ignore[attr-defined]


def test_a_new_integration_is_saved_with_its_rows_its_key_and_its_schedule(world: World) -> None:
    rules = (("id", "id", "integer"), ("total", "amount", "decimal"))
    response = create(
        world,
        *rules,
        **{"digits-r1": "18, 2", "required-r1": "on", "schedule": "interval", "every": "5", "every_unit": "60"},
    )
    made = Integration.objects.get()
    version = made.versions.get()
    assert response["Location"] == world.url(f"integrations/{made.pk}/")
    assert version.key == ["id"]
    assert version.mapping["fields"][1] == {
        "target": "total", "expression": "amount", "type": "decimal(18,2)", "required": True,
    }  # fmt: skip
    assert made.created_by == world.builder
    assert Schedule.objects.get().every_seconds == 300


def test_the_order_of_the_rows_is_the_order_that_was_sent(world: World) -> None:
    create(world, ("id", "id", "integer"), ("amount", "amount", "text"), row=["r1", "r0"])
    assert [item["target"] for item in IntegrationVersion.objects.get().mapping["fields"]] == ["amount", "id"]


def test_rows_without_a_word_are_left_out(world: World) -> None:
    create(world, ("id", "id", "integer"), ("", "", "text"))
    assert len(IntegrationVersion.objects.get().mapping["fields"]) == 1


def test_appending_keeps_no_key(world: World) -> None:
    create(world, write_mode="append")
    assert IntegrationVersion.objects.get().key == []


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"name": "Not a slug"}, "Use lower-case letters, digits and hyphens"),
        ({"source": ""}, "This field is required."),
        ({"source": "7"}, "is not a valid UUID"),
        ({"destination_stream": " "}, "This field is required."),
        ({"read_mode": "incremental", "cursor_field": ""}, "needs the field that orders the stream"),
        ({"key-r0": []}, "Upsert needs key columns to match records by."),
        ({"schedule": "cron", "cron": "61 * * * *"}, "is not a cron expression"),
        ({"schedule": "cron", "cron": "0 * * * *", "time_zone": "Mars/Olympus"}, "There is no time zone"),
        ({"schedule": "interval", "every": "1", "every_unit": "1"}, "An interval is between 5 seconds and a year."),
        ({"schedule": "interval", "every": ""}, "An interval is between 5 seconds and a year."),
        ({"type-r1": "colour"}, "There is no type"),
        ({"type-r1": "decimal", "digits-r1": "99,2"}, "does not exist"),
        ({"row": []}, "The mapping has no field."),
        ({"filter": "id >"}, "The expression cannot be read"),
    ],
)
def test_what_cannot_be_saved_is_said_and_kept(world: World, changes: dict[str, Any], message: str) -> None:
    response = create(world, **{"description": "kept", **changes})
    assert response.status_code == 400
    assert message in text_of(response).replace("&quot;", '"').replace("&#x27;", "'")
    assert 'value="kept"' in text_of(response)
    assert not Integration.objects.exists()


def test_a_taken_name_is_said_at_the_name(world: World, deployment: Deployment) -> None:
    response = create(world)
    assert response.status_code == 409
    assert "Taken." in text_of(response)


def test_each_wrong_expression_has_its_own_message_at_its_place(world: World) -> None:
    response = create(world, ("id", "id + uper(x)", "integer"), ("a", "SELECT 1", "text"), ("good", "amount", "text"))
    text = text_of(response)
    assert "Did you mean &#x27;upper&#x27;?" in text
    assert '<code class="note-place">id + <mark>uper</mark>(x)</code>' in text
    assert text.count('class="note" data-tone="bad"') == 2


def test_a_long_expression_is_cut_around_the_place(world: World) -> None:
    response = create(world, ("id", "a" * 60 + " + uper(x) + " + "b" * 60, "text"))
    assert "aaa + <mark>uper</mark>(x) + bbb" in text_of(response)
    assert "…" in text_of(response)


def test_what_was_typed_is_shown_as_text(world: World) -> None:
    response = create(world, ("<b>", "'</textarea><script>alert(1)</script>'", "text"), name="<i>")
    assert "<script>alert(1)" not in response.content.decode()


@pytest.mark.parametrize(
    ("command", "order"),
    [
        ("add", ["id", "amount", ""]),
        ("remove:r0", ["amount"]),
        ("down:r0", ["amount", "id"]),
        ("up:r1", ["amount", "id"]),
        ("up:r0", ["id", "amount"]),
        ("up:r9", ["id", "amount"]),
    ],
)
def test_without_a_script_a_button_changes_the_rows_and_saves_nothing(world: World, command: str, order: Any) -> None:
    response = create(world, do=command)
    targets = [rule.row.target for rule in response.context["sheet"].rules]  # type: ignore[attr-defined]
    assert targets == order
    assert not Integration.objects.exists()


def test_without_a_script_the_proposal_fills_the_rows(world: World) -> None:
    response = create(world, row=[], do="propose")
    rows = [rule.row for rule in response.context["sheet"].rules]  # type: ignore[attr-defined]
    assert [(row.target, row.expression, row.is_key) for row in rows] == [
        ("id", "id", True),
        ("amount", "amount", False),
    ]


def test_an_edit_adds_a_version_and_activates_it(world: World, deployment: Deployment) -> None:
    response = edit(world, deployment, ("id", "id + 1", "integer"), note="Counts from one")
    deployment.refresh_from_db()
    assert deployment.version.number == 2
    assert deployment.version.note == "Counts from one"
    assert "Version 2 is saved and active" in said(response)


def test_a_version_may_wait(world: World, deployment: Deployment) -> None:
    response = edit(world, deployment, ("id", "id + 1", "integer"), activate=[])
    deployment.refresh_from_db()
    assert deployment.version.number == 1
    assert "until you activate it" in said(response)


def test_an_edit_that_changes_nothing_adds_no_version(world: World, deployment: Deployment) -> None:
    assert "Nothing was changed" in said(edit(world, deployment))
    assert IntegrationVersion.objects.count() == 1


def test_what_is_not_versioned_changes_without_a_version(world: World, deployment: Deployment) -> None:
    response = edit(
        world, deployment, description="New words", schedule="cron", cron="0 6 * * *", time_zone="Europe/Vienna"
    )
    assert said(response) == "Saved."
    assert Integration.objects.get().description == "New words"
    assert Schedule.objects.get().cron == "0 6 * * *"
    assert said(edit(world, deployment, description="New words", schedule="")) == "Saved."
    assert not Schedule.objects.exists()
    assert IntegrationVersion.objects.count() == 1


def test_an_edit_shows_what_is_active_and_its_schedule_in_its_own_unit(world: World, deployment: Deployment) -> None:
    edit(world, deployment, schedule="interval", every="2", every_unit="3600")
    response = signed_in(world.builder).get(world.url(f"integrations/{deployment.integration_id}/edit/"))
    shown = text_of(response)  # type: ignore[arg-type]
    assert 'value="rows_out"' in shown
    assert response.context["form"].initial["every"] == 2
    assert '<option value="3600" selected>' in shown


def test_an_edit_may_begin_from_an_older_version(world: World, deployment: Deployment) -> None:
    mapping = {"fields": fields(("id", "id", "decimal(9,2)"), ("other", "'x'", "text")), "filter": "id > 2"}
    add_version(integration=deployment.integration, flow=flow(world.workspace, mapping=mapping), user=None)
    client = signed_in(world.builder)
    url = world.url(f"integrations/{deployment.integration_id}/edit/")
    shown = client.get(url + "?version=2").content.decode()
    assert 'value="9,2"' in shown
    assert "id &gt; 2" in shown
    assert client.get(url + "?version=3").status_code == 404


def test_somebody_elses_version_is_told_before_yours_goes_on_top(world: World, deployment: Deployment) -> None:
    add_version(integration=deployment.integration, flow=flow(world.workspace, source_stream="others"), user=None)
    refused = edit(world, deployment, ("id", "id + 1", "integer"))
    assert refused.status_code == 409
    assert "Version 2 was added while you edited." in text_of(refused)
    newest = refused.context["form"]["newest"].value()  # type: ignore[attr-defined]
    assert "Version 3 is saved" in said(edit(world, deployment, ("id", "id + 1", "integer"), newest=newest))


def test_a_viewer_and_an_operator_cannot_edit(world: World, deployment: Deployment) -> None:
    for user in (world.viewer, world.operator, world.auditor):
        client = signed_in(user)
        assert client.get(world.url("integrations/new/")).status_code == 403
        assert client.get(world.url(f"integrations/{deployment.integration_id}/edit/")).status_code == 403


def test_a_connector_of_another_workspace_cannot_be_chosen(world: World) -> None:
    foreign = connector(world.other, "theirs")
    response = create(world, source=str(foreign.pk))
    assert response.status_code == 400
    assert "theirs" not in text_of(response)


def test_a_new_integration_may_begin_at_a_connector(world: World) -> None:
    source = connector(world.workspace)
    shown = signed_in(world.builder).get(world.url(f"integrations/new/?source={source.pk}")).content.decode()
    assert f'<option value="{source.pk}" selected>' in shown
    assert "lists · Listed" in shown
