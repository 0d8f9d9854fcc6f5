"""A new integration under a policy that asks for a second person: its first version waits, and everything says so."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from accounts.errors import Conflict
from accounts.models import AuditEntry
from accounts.request_context import Actor, acting_as
from integrations.domain.lifecycle import Trigger
from integrations.domain.schedule import ScheduleKind, Timetable
from integrations.models import ApprovalRequest, Deployment, Event, Freshness, Policy, Run, Schedule
from integrations.services import approvals, chains
from integrations.services.approval_holds import named
from integrations.services.freshness import judge_freshness
from integrations.services.integrations import activate_version
from integrations.services.owed_starts import owe_starts
from integrations.services.runs import start_run
from integrations.services.schedules import set_schedule
from integrations.services.ticking import tick
from monitoring.services.readiness import readiness
from tests.pages.connectors_world import make_files, page, post, use
from tests.world import World, signed_in

pytestmark = pytest.mark.django_db


@pytest.fixture
def held(world: World) -> Deployment:
    """The deployment of an integration that the owner made, where every version has to be approved."""
    rules = {"approval.activate": True, "freshness.longest_minutes": 1}
    Policy.objects.create(workspace=world.workspace, name="Two", rules=rules, is_default=True)
    use(world, make_files(world))
    return Deployment.objects.select_related("workspace", "integration", "version").get()


def start(world: World, deployment: Deployment, trigger: Trigger = Trigger.MANUAL) -> Run:
    with acting_as(Actor(user=world.owner)):
        return start_run(deployment=deployment, trigger=trigger, user=world.owner)


def decide(world: World, *, approve: bool) -> None:
    with acting_as(Actor(user=world.admin)):
        approvals.decide(request=ApprovalRequest.objects.get(), user=world.admin, approve=approve, note="no hurry")


def test_the_first_version_waits_like_every_later_one(world: World, held: Deployment) -> None:
    request = ApprovalRequest.objects.get()
    assert (held.is_approved, request.state, request.version, request.asked_by) == (
        False, "open", held.version, world.owner,
    )  # fmt: skip
    with acting_as(Actor(user=world.owner)), pytest.raises(Conflict, match="another member approves"):
        activate_version(deployment=held, version=held.version)


@pytest.mark.parametrize("trigger", [Trigger.MANUAL, Trigger.API, Trigger.BACKFILL, Trigger.CHAIN])
def test_nothing_starts_before_and_the_refusal_names_who_may_approve(
    world: World, held: Deployment, trigger: Trigger
) -> None:
    with pytest.raises(Conflict) as refused:
        start(world, held, trigger)
    assert refused.value.code == "approval_needed"
    assert world.admin.display_name in refused.value.what_to_do
    assert world.owner.display_name not in refused.value.what_to_do


def test_approved_it_runs_and_missed_nothing(world: World, held: Deployment, caplog: pytest.LogCaptureFixture) -> None:
    set_schedule_of(world, held)
    assert tick() == 0
    assert "schedule_not_started" not in caplog.text, "the schedule is passed over, not tried at each tick"
    decide(world, approve=True)
    due = Schedule.objects.get().next_due_at
    assert due is not None
    assert due > timezone.now()
    entry = AuditEntry.objects.get(action="integration.version_activated")
    assert (entry.before, entry.after) == ({"version": None}, {"version": 1, "environment": "production"})
    assert start(world, Deployment.objects.get()).state == "queued"


def set_schedule_of(world: World, deployment: Deployment) -> None:
    with acting_as(Actor(user=world.owner)):
        set_schedule(deployment=deployment, timetable=Timetable(ScheduleKind.INTERVAL, every_seconds=3600))
    Schedule.objects.update(next_due_at=timezone.now() - timedelta(seconds=5))


def test_declined_it_does_not_run_and_asking_again_is_said(world: World, held: Deployment) -> None:
    decide(world, approve=False)
    with pytest.raises(Conflict) as refused:
        start(world, Deployment.objects.get())
    assert "the request was declined (“no hurry”)" in refused.value.message
    url = world.url(f"integrations/{held.integration_id}/")
    assert "Not approved" in page(world.builder, url)
    post(signed_in(world.builder), f"{url}versions/1/activate/", {})
    assert ApprovalRequest.objects.filter(state="open").count() == 1


def test_without_the_rule_a_declined_version_becomes_active_as_any_other(world: World, held: Deployment) -> None:
    decide(world, approve=False)
    Policy.objects.update(rules={})
    post(signed_in(world.builder), world.url(f"integrations/{held.integration_id}/versions/1/activate/"), {})
    assert Deployment.objects.get().is_approved


def test_what_waits_for_approval_is_no_scheduler_that_lags(world: World, held: Deployment) -> None:
    set_schedule_of(world, held)
    Schedule.objects.update(next_due_at=timezone.now() - timedelta(hours=1))
    assert readiness()[-1].ok
    Deployment.objects.update(is_approved=True)
    assert not readiness()[-1].ok


def test_what_waits_is_not_stale(held: Deployment) -> None:
    Deployment.objects.update(created_at=timezone.now() - timedelta(hours=1))
    assert judge_freshness() == 0
    Deployment.objects.update(is_approved=True)
    assert judge_freshness() == 1
    assert Freshness.objects.count() == 1


def test_a_chain_leaves_it_out_and_says_why(world: World, held: Deployment) -> None:
    use(world, make_files(world, "Other files"), "upstream")
    Deployment.objects.exclude(pk=held.pk).update(is_approved=True)
    upstream = Deployment.objects.exclude(pk=held.pk).get()
    with acting_as(Actor(user=world.owner)):
        chains.add_chain(deployment=held, upstream=upstream, after_warnings=True, user=world.owner)
    run = start(world, upstream)
    owe_starts(run)
    assert chains.start_owed(upstream_run=run.pk) == 0
    assert "It waits for approval" in Event.objects.get(kind="chain.left_out").message


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("", "Version 1 waits for the approval of a second person"),
        ("schedule/", "may approve it, under Approvals"),
        ("versions/", "waits for approval"),
    ],
)
def test_the_pages_of_the_integration_say_why_nothing_runs(
    world: World, held: Deployment, path: str, words: str
) -> None:
    shown = page(world.owner, world.url(f"integrations/{held.integration_id}/{path}"))
    assert words in shown
    assert world.url(f"integrations/{held.integration_id}/run/") not in shown
    assert ">active<" not in shown


def test_the_list_and_the_approvals_say_it_too(world: World, held: Deployment) -> None:
    assert "waits for approval" in page(world.viewer, world.url("integrations/"))
    shown = page(world.admin, world.url("approvals/"))
    assert "nothing of it runs before" in shown
    assert "which is active" not in shown


@pytest.mark.parametrize(
    ("names", "words"),
    [
        ([], ""),
        (["Ada"], "Ada"),
        (["Ada", "Ben", "Cy"], "Ada, Ben or Cy"),
        (["Ada", "Ben", "Cy", "Di", "Ed", "Flo"], "Ada, Ben, Cy, Di or 2 more"),
    ],
)
def test_names_read_as_a_sentence(names: list[str], words: str) -> None:
    assert named(names) == words
