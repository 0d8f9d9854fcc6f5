"""A second person: who may decide, what waits until then, and that no way leads around it."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest

from accounts.errors import Conflict, Denied
from accounts.models import AuditEntry, Membership
from accounts.request_context import Actor, acting_as
from integrations.domain.approval import may_decide
from integrations.models import (
    ApprovalRequest,
    Connector,
    Deployment,
    Integration,
    IntegrationVersion,
    Policy,
    RuleAction,
)
from integrations.services import approvals, policies
from integrations.services.connectors import ConnectorInput, save_connector
from integrations.services.integrations import activate_version, add_version, change_integration, flow_of
from tests.pages.connectors_world import XSS, make_files, page, post, text_of, use
from tests.world import World, signed_in

pytestmark = pytest.mark.django_db


@pytest.fixture
def version(world: World) -> IntegrationVersion:
    """The second version of an integration in production whose policy asks for a second person."""
    use(world, make_files(world))
    policy = Policy.objects.create(workspace=world.workspace, name="Two", rules={"approval.activate": True})
    Integration.objects.update(policy=policy)
    with acting_as(Actor(user=world.builder)):
        integration = Integration.objects.get()
        return add_version(integration=integration, flow=flow_of(integration.versions.get()), user=world.builder)


def deployment() -> Deployment:
    return Deployment.objects.select_related("integration__policy", "version__source__policy", "workspace").get()


def asked(world: World, version: IntegrationVersion) -> ApprovalRequest:
    with acting_as(Actor(user=world.builder)):
        request = approvals.activate_or_ask(deployment=deployment(), version=version, user=world.builder)
    assert request is not None
    return request


def decide(world: World, request: ApprovalRequest, user: Any, *, approve: bool = True) -> ApprovalRequest:
    with acting_as(Actor(user=user)):
        return approvals.decide(request=request, user=user, approve=approve, note="looked at it")


ONE, OTHER = uuid4(), uuid4()


@pytest.mark.parametrize(
    ("asker", "author", "decider", "may"),
    [
        (ONE, ONE, OTHER, True),
        (ONE, ONE, ONE, False),
        (ONE, None, None, False),
        (None, None, ONE, True),
        (ONE, OTHER, OTHER, False),
    ],
)
def test_a_second_person_neither_asked_nor_wrote_it(asker: Any, author: Any, decider: Any, may: bool) -> None:
    assert may_decide(asker=asker, author=author, decider=decider) is may


def test_a_version_waits_until_another_member_approves(world: World, version: IntegrationVersion) -> None:
    request = asked(world, version)
    assert deployment().version.number == 1
    assert decide(world, request, world.admin).state == "approved"
    assert deployment().version.number == 2
    actions = list(AuditEntry.objects.filter(object_type="approval_request").order_by("seq").values_list("action"))
    assert actions == [("approval.asked",), ("approval.approved",)]
    assert "second person" in RuleAction.objects.get(rule="approval.activate").what


def test_the_list_of_versions_says_which_one_waits_and_does_not_offer_it_again(
    world: World, version: IntegrationVersion
) -> None:
    url = world.url(f"integrations/{version.integration_id}/versions/")
    assert "/activate/" in page(world.builder, url)
    asked(world, version)
    assert "waits for approval" in page(world.builder, url)
    assert "/activate/" not in page(world.builder, url)


def test_nobody_approves_what_they_asked_for(world: World, version: IntegrationVersion) -> None:
    request = asked(world, version)
    with pytest.raises(Denied, match="second person"):
        decide(world, request, world.builder)
    assert deployment().version.number == 1


def test_nobody_approves_what_they_wrote_and_another_asked_for(world: World, version: IntegrationVersion) -> None:
    with acting_as(Actor(user=world.admin)):
        request = approvals.activate_or_ask(deployment=deployment(), version=version, user=world.admin)
    assert request is not None
    assert "You wrote it" in page(world.builder, world.url("approvals/"))
    with pytest.raises(Denied, match="not who wrote it"):
        decide(world, request, world.builder)
    assert decide(world, request, world.owner).state == "approved"


def test_the_page_of_approvals_names_who_may_decide(world: World, version: IntegrationVersion) -> None:
    asked(world, version)
    shown = page(world.viewer, world.url("approvals/"))
    assert f"May approve: {world.admin.display_name} or {world.owner.display_name}." in shown
    Membership.objects.exclude(user=world.builder).update(role="viewer")
    assert "Nobody else here may approve it" in page(world.viewer, world.url("approvals/"))


def test_what_writes_to_production_waits_wherever_it_is_deployed(world: World, version: IntegrationVersion) -> None:
    Deployment.objects.update(environment="staging")
    assert asked(world, version).state == "open"


def test_a_declined_version_does_not_become_active(world: World, version: IntegrationVersion) -> None:
    request = decide(world, asked(world, version), world.owner, approve=False)
    assert (request.state, request.note, deployment().version.number) == ("declined", "looked at it", 1)
    with pytest.raises(Conflict, match="decided already"):
        decide(world, request, world.owner)


def test_no_way_leads_around_it(world: World, version: IntegrationVersion) -> None:
    with acting_as(Actor(user=world.owner)), pytest.raises(Conflict, match="another member approves") as refused:
        activate_version(deployment=deployment(), version=version)
    assert refused.value.code == "approval_needed"
    with acting_as(Actor(user=world.owner)), pytest.raises(Conflict):
        activate_version(deployment=deployment(), version=version, approval=asked(world, version))


@pytest.mark.parametrize("number", [1, 2], ids=["what is active", "what would be active"])
def test_the_policy_of_a_destination_asks_for_a_second_person_too(
    world: World, version: IntegrationVersion, number: int
) -> None:
    Integration.objects.update(policy=None)
    warehouse = make_files(world, "Warehouse")
    Connector.objects.filter(pk=warehouse.pk).update(policy=Policy.objects.get())
    IntegrationVersion.objects.filter(number=number).update(destination=warehouse)
    version = IntegrationVersion.objects.get(pk=version.pk)
    with acting_as(Actor(user=world.owner)), pytest.raises(Conflict, match="another member approves"):
        activate_version(deployment=deployment(), version=version)
    assert asked(world, version).state == "open"


def test_a_policy_of_a_destination_in_production_is_not_changed_alone(
    world: World, version: IntegrationVersion
) -> None:
    Integration.objects.update(policy=None)
    warehouse, policy = make_files(world, "Warehouse"), Policy.objects.get()
    Connector.objects.filter(pk=warehouse.pk).update(policy=policy)
    IntegrationVersion.objects.update(destination=warehouse)
    with acting_as(Actor(user=world.owner)), pytest.raises(Conflict, match="second person approves"):
        policies.save_policy(workspace=world.workspace, policy=policy, name="Two", description="", rules={})


def test_a_policy_over_what_writes_to_production_is_not_changed_alone(
    world: World, version: IntegrationVersion
) -> None:
    Deployment.objects.update(environment="staging")
    with acting_as(Actor(user=world.owner)), pytest.raises(Conflict, match="second person approves"):
        save(world, {"approval.activate": False})


def test_one_request_waits_at_a_time_and_its_asker_takes_it_back(world: World, version: IntegrationVersion) -> None:
    request = asked(world, version)
    with pytest.raises(Conflict, match="waits for approval already"):
        asked(world, version)
    with acting_as(Actor(user=world.admin)), pytest.raises(Conflict, match="Only who asked"):
        approvals.withdraw(request=request, user=world.admin)
    with acting_as(Actor(user=world.builder)):
        assert approvals.withdraw(request=request, user=world.builder).state == "withdrawn"
    assert asked(world, version).state == "open"


@pytest.mark.parametrize("change", ["rule", "environment"])
def test_without_the_rule_or_out_of_production_nothing_waits(
    world: World, version: IntegrationVersion, change: str
) -> None:
    if change == "rule":
        Policy.objects.update(rules={})
    else:
        leave_production()
    version = IntegrationVersion.objects.get(pk=version.pk)
    with acting_as(Actor(user=world.builder)):
        assert approvals.activate_or_ask(deployment=deployment(), version=version, user=world.builder) is None
    assert deployment().version.number == 2


def test_the_pages_ask_show_and_decide(world: World, version: IntegrationVersion) -> None:
    builder, admin = signed_in(world.builder), signed_in(world.admin)
    one = world.url(f"integrations/{version.integration_id}/versions/2/activate/")
    assert post(builder, one, {})["Location"] == world.url("approvals/")
    assert "Take it back" in page(world.builder, world.url("approvals/"))
    shown = page(world.admin, world.url("approvals/"))
    assert "Activate version 2 of orders-copy in production" in shown
    url = world.url(f"approvals/{ApprovalRequest.objects.get().pk}/decide/")
    assert "A second person decides" in text_of(builder.post(url, {"decision": "approve"}, follow=True))
    assert "Choose to approve" in text_of(admin.post(url, {"decision": "maybe"}, follow=True))
    post(admin, url, {"decision": "approve", "note": XSS})
    assert deployment().version.number == 2
    shown = page(world.viewer, world.url("approvals/"))
    assert XSS not in shown
    assert "Nothing waits" in shown


def test_a_viewer_reads_and_does_not_decide(world: World, version: IntegrationVersion) -> None:
    request = asked(world, version)
    assert 'value="approve"' not in page(world.viewer, world.url("approvals/"))
    post(signed_in(world.viewer), world.url(f"approvals/{request.pk}/decide/"), {"decision": "approve"}, 403)
    post(signed_in(world.outsider), f"/w/{world.other.slug}/approvals/{request.pk}/decide/", {"decision": "x"}, 404)


def leave_production() -> None:
    Deployment.objects.update(environment="staging")
    Connector.objects.update(environment="staging")


def save(world: World, rules: dict[str, Any], **given: Any) -> Policy:
    policy = Policy.objects.get()
    with acting_as(Actor(user=world.owner)):
        return policies.save_policy(
            workspace=world.workspace, policy=policy, name="Two", description="", rules=rules, **given
        )


def test_a_policy_over_production_changes_when_a_second_person_approves(
    world: World, version: IntegrationVersion
) -> None:
    url = world.url(f"policies/{Policy.objects.get().pk}/")
    form = {"name": "Two", "description": "looser", "approval.activate": "off", "retry.attempts": "9"}
    assert post(signed_in(world.owner), url, form)["Location"] == world.url("approvals/")
    assert Policy.objects.get().rules == {"approval.activate": True}
    assert "Attempts: inherited → 9" in page(world.admin, world.url("approvals/"))
    assert "waits for approval already" in text_of(post(signed_in(world.owner), url, form, 400))
    decide_url = world.url(f"approvals/{ApprovalRequest.objects.get().pk}/decide/")
    post(signed_in(world.builder), decide_url, {"decision": "approve"}, 403)
    post(signed_in(world.admin), decide_url, {"decision": "approve"})
    policy = Policy.objects.get()
    assert (policy.rules, policy.description) == ({"approval.activate": False, "retry.attempts": 9}, "looser")


def test_what_changes_nothing_in_production_needs_nobody(world: World, version: IntegrationVersion) -> None:
    assert save(world, {"approval.activate": True, "retry.attempts": 5}).rules["retry.attempts"] == 5
    leave_production()
    assert save(world, {"approval.activate": False}).rules == {"approval.activate": False}


def test_an_approval_is_for_what_was_asked_and_nothing_else(world: World, version: IntegrationVersion) -> None:
    with pytest.raises(Conflict) as refused:
        save(world, {"approval.activate": False}, approval=asked(world, version))
    assert refused.value.code == "approval_needed"


def test_no_other_policy_takes_its_place(world: World, version: IntegrationVersion) -> None:
    integration = Integration.objects.get()
    with acting_as(Actor(user=world.owner)), pytest.raises(Conflict, match="Another policy would hold"):
        change_integration(integration=integration, description="", policy=None)
    connector = Connector.objects.get()
    other = Policy.objects.create(workspace=world.workspace, name="Other", rules={})
    given = ConnectorInput(connector.name, connector.plugin, connector.settings, policy=other)
    with acting_as(Actor(user=world.owner)), pytest.raises(Conflict, match="Another policy would hold"):
        save_connector(workspace=world.workspace, connector=connector, given=given)
