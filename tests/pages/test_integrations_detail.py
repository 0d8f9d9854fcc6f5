"""One integration: flow, figures, mapping, policy, versions, and what is done to it."""

from __future__ import annotations

import pytest
from django.contrib.messages import get_messages
from django.db import connection
from django.http import HttpResponse
from django.test.utils import CaptureQueriesContext

from integrations.domain.lifecycle import RunState
from integrations.domain.schedule import ScheduleKind, Timetable
from integrations.models import Deployment, Integration, Policy, Run
from integrations.services import integrations
from integrations.services.policies import save_policy
from integrations.services.schedules import set_schedule
from tests.pages.integration_pages import connector, fields, flow, letter_of, make, outside, run_of
from tests.world import World, signed_in

__all__ = ["outside"]
pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("outside")]


@pytest.fixture
def deployment(world: World) -> Deployment:
    return make(world.workspace, description="Moves <b>numbers</b>.")


def url(world: World, deployment: Deployment, path: str = "") -> str:
    return world.url(f"integrations/{deployment.integration_id}/{path}")


def shown(world: World, deployment: Deployment, path: str = "") -> str:
    response = signed_in(world.owner).get(url(world, deployment, path))
    assert response.status_code == 200
    return response.content.decode()


def post(world: World, deployment: Deployment, path: str, **values: str) -> HttpResponse:
    return signed_in(world.owner).post(url(world, deployment, path), values)  # type: ignore[return-value]


def said(response: HttpResponse) -> str:
    return " ".join(str(message) for message in get_messages(response.wsgi_request))  # type: ignore[attr-defined]


def test_the_flow_names_both_ends_and_the_guarantee_that_it_really_has(world: World, deployment: Deployment) -> None:
    text = shown(world, deployment)
    assert "rows · full" in text
    assert "rows_out · upsert" in text
    assert "<strong>transactional</strong>" in text
    assert "Exactly once: records and checkpoint are stored in one transaction" in text
    assert "Moves &lt;b&gt;numbers&lt;/b&gt;." in text


def test_a_new_integration_says_that_it_never_ran_and_offers_to_start_it(world: World, deployment: Deployment) -> None:
    text = shown(world, deployment)
    assert "No runs yet" in text
    assert "only when asked to" in text


def test_figures_come_from_the_last_runs(world: World, deployment: Deployment) -> None:
    run_of(deployment, "succeeded", written=1000)
    letter_of(run_of(deployment, "failed", written=234, set_aside=1))
    text = shown(world, deployment)
    assert "50<span" in text  # one of two
    assert "1\N{NARROW NO-BREAK SPACE}234" in text
    assert text.count("run-bar run-bar-") == 2


def test_a_running_run_makes_the_flow_move(world: World, deployment: Deployment) -> None:
    run_of(deployment, "running", written=5)
    assert "flow-running" in shown(world, deployment)


def test_the_schedule_is_told_in_words_with_its_next_five_times(world: World, deployment: Deployment) -> None:
    set_schedule(deployment=deployment, timetable=Timetable(ScheduleKind.CRON, cron="30 6 * * 1-5"))
    text = shown(world, deployment)
    assert "at 06:30 on weekdays (UTC)" in text
    assert text.count("06:30:00 UTC</span></li>") == 5


def test_a_live_part_comes_alone(world: World, deployment: Deployment) -> None:
    response = signed_in(world.owner).get(url(world, deployment), HTTP_HX_REQUEST="true")
    assert b"<html" not in response.content
    assert b'id="integration-overview"' in response.content


def test_the_detail_asks_the_same_number_of_questions_however_many_runs_there_are(
    world: World, deployment: Deployment
) -> None:
    client = signed_in(world.owner)
    run_of(deployment)
    with CaptureQueriesContext(connection) as few:
        client.get(url(world, deployment))
    for _ in range(10):
        run_of(deployment)
    with CaptureQueriesContext(connection) as many:
        client.get(url(world, deployment))
    assert len(many) == len(few) == 11


def test_a_viewer_sees_everything_and_can_change_nothing(world: World, deployment: Deployment) -> None:
    text = signed_in(world.viewer).get(url(world, deployment)).content.decode()
    for verb in ("Start a run", "Switch off", "Reset checkpoint", "Delete integration", ">Edit<"):
        assert verb not in text


@pytest.mark.parametrize("path", ["", "mapping/", "policy/", "versions/", "edit/", "versions/1/difference/1/"])
def test_an_integration_of_another_workspace_is_not_there(world: World, deployment: Deployment, path: str) -> None:
    client = signed_in(world.outsider)
    assert client.get(f"/w/{world.other.slug}/integrations/{deployment.integration_id}/{path}").status_code == 404


def test_the_mapping_is_shown_field_by_field(world: World) -> None:
    rules = fields(("total", "amount < 5 AND '<i>' = 'x'", "boolean"), ("id", "id", "decimal(9,2)"))
    made = make(world.workspace, mapping={"fields": rules, "filter": "id > 1"})
    text = shown(world, made, "mapping/")
    assert "amount &lt; 5 AND &#x27;&lt;i&gt;&#x27; = &#x27;x&#x27;" in text
    assert "decimal(9,2)" in text
    assert "id &gt; 1" in text


def test_an_older_mapping_has_an_address(world: World, deployment: Deployment) -> None:
    integrations.add_version(
        integration=deployment.integration, flow=flow(world.workspace, destination_stream="elsewhere"), user=None
    )
    assert "elsewhere" in shown(world, deployment, "mapping/?version=2")
    assert signed_in(world.owner).get(url(world, deployment, "mapping/?version=9")).status_code == 404


def test_each_value_of_the_policy_says_where_it_came_from(world: World, deployment: Deployment) -> None:
    save_policy(
        workspace=world.workspace,
        policy=None,
        name="House",
        description="",
        rules={"retry.attempts": 7},
        is_default=True,
    )
    own = Policy.objects.create(workspace=world.workspace, name="Own", rules={"retry.attempts": 9})
    Integration.objects.update(policy=own)
    text = " ".join(shown(world, deployment, "policy/").split())
    assert "<strong>9</strong>" in text
    assert ">Own</a>, integration, instead of 7" in text
    few = shown(world, deployment, "policy/?rules=set")
    assert "<strong>9</strong>" in few
    assert "Longest Retry-After" in text
    assert "Longest Retry-After" not in few


def test_a_run_is_started_and_its_page_opened(world: World, deployment: Deployment) -> None:
    response = post(world, deployment, "run/")
    run = Run.objects.get(deployment=deployment)
    assert response.status_code == 302
    assert response["Location"] == world.url(f"runs/{run.pk}/")
    assert run.requested_by == world.owner


def test_a_second_run_is_refused_with_a_way_to_the_first(world: World, deployment: Deployment) -> None:
    active = run_of(deployment, "running")
    response = post(world, deployment, "run/")
    assert response["Location"] == url(world, deployment)
    assert f'href="{world.url(f"runs/{active.pk}/")}"' in said(response)
    assert Run.objects.count() == 1


@pytest.mark.parametrize(("sent", "enabled"), [("off", False), ("on", True)])
def test_its_schedule_is_switched(world: World, deployment: Deployment, sent: str, enabled: bool) -> None:
    post(world, deployment, "switch/", enabled=sent)
    deployment.refresh_from_db()
    assert deployment.enabled is enabled


def test_a_reset_asks_why_and_forgets_the_cursor(world: World, deployment: Deployment) -> None:
    Deployment.objects.update(cursor={"row": 3})
    refused = post(world, deployment, "reset/", reason=" ")
    assert refused.status_code == 400
    assert b"A reason is required" in refused.content
    assert post(world, deployment, "reset/", reason="restored from a backup").status_code == 302
    deployment.refresh_from_db()
    assert deployment.cursor is None


@pytest.mark.parametrize(("path", "values"), [("reset/", {"reason": "because"}), ("delete/", {"confirm": "numbers"})])
def test_an_active_run_keeps_it_from_being_reset_or_deleted(
    world: World, deployment: Deployment, path: str, values: dict[str, str]
) -> None:
    run_of(deployment, RunState.RUNNING)
    response = post(world, deployment, path, **values)
    assert response.status_code == 409
    assert b"A run is active." in response.content
    assert b"Wait for it to end, or cancel it." in response.content


def test_the_name_must_be_typed_to_delete(world: World, deployment: Deployment) -> None:
    letter_of(run_of(deployment))
    assert "1 version, 1 run with their logs, and 1 dead letter" in shown(world, deployment, "delete/")
    refused = post(world, deployment, "delete/", confirm="number")
    assert b"That is not numbers." in refused.content
    assert Integration.objects.count() == 1
    assert post(world, deployment, "delete/", confirm="numbers")["Location"] == world.url("integrations/")
    assert not Integration.objects.exists()


def two_versions(world: World, deployment: Deployment) -> None:
    mapping = {"fields": fields(("id", "id + 1", "integer"), ("note", "'x'", "text")), "filter": "id > 1"}
    changed = flow(world.workspace, mapping=mapping, destination_stream="elsewhere", note="Counts from one")
    integrations.add_version(integration=deployment.integration, flow=changed, user=world.owner)


def test_versions_say_who_when_and_why(world: World, deployment: Deployment) -> None:
    two_versions(world, deployment)
    text = shown(world, deployment, "versions/")
    assert "Counts from one" in text
    assert "Owner" in text
    assert text.count(">active</span>") == 1


def test_versions_come_in_pages(world: World, deployment: Deployment, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("integrations.views.integrations_versions.PAGE", 1)
    two_versions(world, deployment)
    assert "before=2" in shown(world, deployment, "versions/")
    assert "Version 2" not in shown(world, deployment, "versions/?before=2")


def test_a_version_is_activated(world: World, deployment: Deployment) -> None:
    two_versions(world, deployment)
    response = post(world, deployment, "versions/2/activate/")
    deployment.refresh_from_db()
    assert deployment.version.number == 2
    assert "Version 2 is active" in said(response)


def test_a_version_that_reads_something_else_starts_at_the_beginning(world: World, deployment: Deployment) -> None:
    other = flow(world.workspace, source=connector(world.workspace, "other"))
    integrations.add_version(integration=deployment.integration, flow=other, user=None)
    assert "starts at the beginning" in said(post(world, deployment, "versions/2/activate/"))


def test_the_difference_stands_in_two_columns(world: World, deployment: Deployment) -> None:
    two_versions(world, deployment)
    text = shown(world, deployment, "versions/1/difference/2/")
    assert "<del>id (integer) = id</del>" in text
    assert "<ins>id (integer) = id + 1</ins>" in text
    assert "<del>amount (text) = amount</del>" in text
    assert "<ins>Destination stream: elsewhere</ins>" in text
    assert "<ins>Filter: id &gt; 1</ins>" in text
    assert "1 field added, 1 removed, 1 changed; 1 setting of the flow changed" in text


def test_equal_versions_are_said_to_be_the_same(world: World, deployment: Deployment) -> None:
    assert "They are the same." in shown(world, deployment, "versions/1/difference/1/")


def test_the_chosen_versions_lead_to_their_difference(world: World, deployment: Deployment) -> None:
    response = signed_in(world.owner).get(url(world, deployment, "versions/?from=1&to=2"))
    assert response["Location"] == url(world, deployment, "versions/1/difference/2/")
