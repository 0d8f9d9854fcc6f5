"""Two people who change one policy: nobody overwrites what they have not seen, and both are told what happened."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest
from django.db.models.signals import pre_save

from accounts.errors import Conflict
from accounts.models import AuditEntry
from accounts.request_context import Actor, acting_as
from integrations.models import ApprovalRequest, Integration, Policy
from integrations.services import policies
from integrations.services.approval_asking import ask_for_policy
from integrations.services.approvals import decide
from integrations.services.policy_changes import differences
from integrations.services.policy_places import Proposal
from tests.pages.connectors_world import make_files, make_policy, page, post, text_of, use
from tests.runs.crowd import all_at_once
from tests.world import World, signed_in

pytestmark = pytest.mark.django_db


def save(world: World, policy: Policy | None, **given: Any) -> Policy:
    values = {"name": policy.name if policy else "Patient", "description": "", "rules": {}, **given}
    with acting_as(Actor(user=world.admin)):
        return policies.save_policy(workspace=world.workspace, policy=policy, **values)


def test_a_change_counts_and_the_audit_log_keeps_the_count(world: World) -> None:
    made = make_policy(world, retry__attempts=3)
    assert (made.revision, save(world, made, rules={"retry.attempts": 4}).revision) == (1, 2)
    entry = AuditEntry.objects.get(action="policy.changed")
    assert (entry.before or {})["revision"] + 1 == (entry.after or {})["revision"]


def test_who_has_not_seen_the_last_change_does_not_overwrite_it(world: World) -> None:
    stale = make_policy(world, retry__attempts=3)
    save(world, Policy.objects.get(), rules={"retry.attempts": 9}, description="slower")
    with pytest.raises(Conflict) as refused:
        save(world, stale, rules={"retry.attempts": 5})
    assert refused.value.code == "policy_changed"
    assert "Attempts: 3 → 9" in refused.value.message
    assert "Description: none → slower" in refused.value.message
    assert Policy.objects.get().rules == {"retry.attempts": 9}


def test_nobody_is_asked_to_approve_what_was_begun_from_an_older_policy(world: World) -> None:
    stale = make_policy(world, retry__attempts=3)
    use(world, make_files(world))
    Integration.objects.update(policy=stale)
    Policy.objects.update(rules={"approval.activate": True}, revision=2)
    with pytest.raises(Conflict) as refused:
        save(world, stale, rules={})
    assert refused.value.code == "policy_changed"


@pytest.mark.django_db(transaction=True)
def test_of_many_who_save_at_once_one_gets_through(world: World) -> None:
    make_policy(world)

    def change(number: int, policy: Policy) -> str:
        try:
            save(world, policy, rules={"retry.attempts": number + 1})
        except Conflict as refused:
            return refused.code
        return "saved"

    seen = [Policy.objects.select_related("workspace").get() for _ in range(6)]
    answers = all_at_once([partial(change, number, policy) for number, policy in enumerate(seen)])
    assert sorted(answers) == ["policy_changed"] * 5 + ["saved"]
    assert AuditEntry.objects.filter(action="policy.changed").count() == 1


@pytest.mark.django_db(transaction=True)
def test_of_many_new_defaults_one_is_left_and_no_name_is_blamed(world: World) -> None:
    def add(number: int) -> str:
        try:
            save(world, None, name=f"Default {number}", is_default=True)
        except Conflict as refused:
            return refused.code
        return "saved"

    answers = all_at_once([partial(add, number) for number in range(6)])
    assert set(answers) <= {"saved", "state_conflict"}
    assert Policy.objects.filter(is_default=True).count() == 1


def test_a_policy_that_was_deleted_meanwhile_does_not_come_back(world: World) -> None:
    policy = make_policy(world)
    Policy.objects.all().delete()
    with pytest.raises(Conflict, match="deleted meanwhile"):
        save(world, policy)
    assert not Policy.objects.exists()


@pytest.fixture
def another_default(world: World) -> Iterator[None]:
    """Another policy becomes the default in the moment in which a row is written."""

    def be_faster(instance: Policy, **_: object) -> None:
        if instance.name != "Faster":
            Policy.objects.bulk_create([Policy(workspace=world.workspace, name="Faster", is_default=True)])

    pre_save.connect(be_faster, sender=Policy)
    yield
    pre_save.disconnect(be_faster, sender=Policy)


@pytest.mark.usefixtures("another_default")
def test_two_defaults_at_once_are_not_said_to_be_two_names(world: World) -> None:
    with pytest.raises(Conflict) as refused:
        save(world, None, is_default=True)
    assert (refused.value.code, "default of the workspace" in refused.value.message) == ("state_conflict", True)


def test_a_name_that_is_taken_is_said_to_be_taken(world: World) -> None:
    make_policy(world, "Patient")
    with pytest.raises(Conflict) as refused:
        save(world, None, is_default=True)
    assert refused.value.code == "name_taken"


def test_a_new_default_is_a_change_of_the_old_one_too(world: World) -> None:
    make_policy(world, "Old", is_default=True)
    save(world, None, is_default=True)
    old = Policy.objects.get(name="Old")
    assert (old.is_default, old.revision) == (False, 2)
    assert AuditEntry.objects.get(action="policy.changed").object_label == "Old"


def test_the_page_says_what_the_other_changed_and_keeps_what_was_typed(world: World) -> None:
    url = world.url(f"policies/{make_policy(world, retry__attempts=3).pk}/")
    assert 'name="revision" value="1"' in page(world.owner, url)
    save(world, Policy.objects.get(), rules={"retry.attempts": 9})
    form = {"name": "Patient", "retry.attempts": "5", "revision": "1"}
    shown = text_of(post(signed_in(world.owner), url, form, 409))
    assert world.admin.email in shown
    assert "Attempts: 3 → 9" in shown
    assert 'name="revision" value="2"' in shown
    assert 'value="5"' in shown
    assert Policy.objects.get().rules == {"retry.attempts": 9}
    post(signed_in(world.owner), url, {**form, "revision": "2"})
    assert Policy.objects.get().rules == {"retry.attempts": 5}


def test_an_approval_is_for_the_policy_as_it_was_asked_about(world: World) -> None:
    policy = make_policy(world, retry__attempts=3)
    proposal = Proposal(
        policy.workspace, policy, policy.name, {"retry.attempts": 5}, frozenset(), is_default=False, revision=1
    )
    with acting_as(Actor(user=world.owner)):
        ask_for_policy(proposal=proposal, description="", user=world.owner)
    save(world, Policy.objects.get(), rules={"retry.attempts": 9})
    with acting_as(Actor(user=world.admin)), pytest.raises(Conflict, match="not as it was"):
        decide(request=ApprovalRequest.objects.get(), user=world.admin, approve=True)
    assert ApprovalRequest.objects.get().state == "open"
    assert Policy.objects.get().rules == {"retry.attempts": 9}


@pytest.mark.parametrize(
    ("before", "after", "lines"),
    [
        ({"name": "A"}, {"name": "B"}, ["Name: A → B"]),
        ({"is_default": False}, {"is_default": True}, ["Default of this workspace: no → yes"]),
        ({"rules": {"retry.attempts": 3}}, {"rules": {}}, ["Attempts: 3 → inherited"]),
        (
            {"rules": {"retry.attempts": 3}, "limits": []},
            {"rules": {"retry.attempts": 3}, "limits": ["retry.attempts"]},
            ["Attempts: 3 → 3 (a limit)"],
        ),
        ({"rules": {"retry.attempts": 3}}, {"rules": {"retry.attempts": 3}}, []),
    ],
)
def test_differences_are_told_in_words(before: dict[str, Any], after: dict[str, Any], lines: list[str]) -> None:
    assert differences(before, after) == lines
