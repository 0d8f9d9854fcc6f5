"""Members: added, promoted, removed, and never above one's own role."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from accounts.domain.roles import Role
from accounts.errors import Conflict, Denied
from accounts.models import ApiToken, AuditEntry, Membership, User
from accounts.request_context import acting_as
from accounts.services import members
from tests.world import World, signed_in, token_text


def test_a_new_person_gets_an_account_and_a_password_shown_once(world: World) -> None:
    with acting_as(world.owner):
        added = members.add(workspace=world.workspace, by=None, email=" New@Example.org ", role=Role.VIEWER, name="New")
    assert added.membership.user.email == "new@example.org"
    assert added.one_time_password is not None
    assert added.membership.user.check_password(added.one_time_password)
    assert added.one_time_password not in repr(added)


def test_a_known_person_keeps_the_account_and_the_password(world: World) -> None:
    with acting_as(world.owner):
        added = members.add(workspace=world.workspace, by=None, email=world.outsider.email, role=Role.VIEWER)
    assert (added.membership.user, added.one_time_password) == (world.outsider, None)


def test_a_member_is_not_added_twice(world: World) -> None:
    with acting_as(world.owner), pytest.raises(Conflict, match="already"):
        members.add(workspace=world.workspace, by=None, email="VIEWER@example.org", role=Role.ADMIN)


def test_an_admin_makes_no_owner(world: World) -> None:
    admin = world.membership(world.admin)
    with acting_as(world.admin), pytest.raises(Denied, match="below owner"):
        members.add(workspace=world.workspace, by=admin, email="x@example.org", role=Role.OWNER)
    assert not User.objects.filter(email="x@example.org").exists()


def test_an_admin_neither_demotes_nor_removes_an_owner(world: World) -> None:
    admin, owner = world.membership(world.admin), world.membership(world.owner)
    with acting_as(world.admin), pytest.raises(Denied):
        members.change_role(membership=owner, by=admin, role=Role.VIEWER)
    with acting_as(world.admin), pytest.raises(Denied):
        members.remove(membership=owner, by=admin)


def test_a_builder_assigns_nothing(world: World) -> None:
    with acting_as(world.builder), pytest.raises(Denied, match="assigns no roles"):
        members.change_role(
            membership=world.membership(world.viewer), by=world.membership(world.builder), role=Role.VIEWER
        )


def demote(owner: Membership) -> None:
    members.change_role(membership=owner, by=owner, role=Role.ADMIN)


def remove(owner: Membership) -> None:
    members.remove(membership=owner, by=owner)


@pytest.mark.parametrize("change", [demote, remove])
def test_the_last_owner_stays(world: World, change: Callable[[Membership], None]) -> None:
    with acting_as(world.owner), pytest.raises(Conflict, match="only owner"):
        change(world.membership(world.owner))


def test_an_owner_who_cannot_sign_in_does_not_count(world: World) -> None:
    closed = User.objects.create_user("closed@example.org")
    Membership.objects.create(workspace=world.workspace, user=closed, role="owner")
    User.objects.filter(pk=closed.pk).update(is_active=False)
    owner = world.membership(world.owner)
    with acting_as(world.owner), pytest.raises(Conflict):
        members.remove(membership=owner, by=owner)


def test_with_a_second_owner_the_first_may_go(world: World) -> None:
    with acting_as(world.owner):
        members.change_role(membership=world.membership(world.admin), by=None, role=Role.OWNER)
        members.remove(membership=world.membership(world.owner), by=world.membership(world.admin))
    assert not Membership.objects.of(world.workspace).filter(user=world.owner).exists()


def test_the_same_role_again_leaves_no_entry(world: World) -> None:
    with acting_as(world.owner):
        members.change_role(membership=world.membership(world.viewer), by=None, role=Role.VIEWER)
    assert not AuditEntry.objects.filter(action="member.role_changed").exists()


def test_removal_revokes_the_tokens_so_that_a_return_does_not_revive_them(world: World) -> None:
    token_text(world.operator, world.workspace, "run.read")
    with acting_as(world.owner):
        members.remove(membership=world.membership(world.operator), by=None)
        members.add(workspace=world.workspace, by=None, email=world.operator.email, role=Role.OPERATOR)
    assert ApiToken.objects.get(creator=world.operator).revoked_at is not None


def test_the_page_adds_a_person_and_shows_the_password_once(world: World) -> None:
    client = signed_in(world.admin)
    form = {"email": "new@example.org", "name": "", "role": "viewer"}
    shown = client.post(world.url("members/"), form).content.decode()
    password = shown.split('class="secret">')[1].split("<")[0]
    assert User.objects.get(email="new@example.org").check_password(password)
    assert password not in client.get(world.url("members/")).content.decode()


@pytest.mark.parametrize(
    ("form", "message"),
    [
        ({"email": "viewer@example.org", "role": "viewer"}, "already"),
        ({"email": "x@example.org", "role": "owner"}, "Select a valid choice"),
        ({"email": "no address", "role": "viewer"}, "valid email"),
        ({}, "required"),
    ],
)
def test_a_wrong_form_says_what_is_wrong_at_the_field(world: World, form: dict[str, str], message: str) -> None:
    response = signed_in(world.admin).post(world.url("members/"), form)
    assert response.status_code == 400
    assert message in response.content.decode()


def test_the_page_changes_a_role(world: World) -> None:
    member = world.membership(world.viewer)
    response = signed_in(world.admin).post(world.url(f"members/{member.pk}/role/"), {"role": "builder"}, follow=True)
    assert "is now builder" in response.content.decode()
    assert world.membership(world.viewer).role == "builder"


def test_the_page_refuses_a_role_that_is_not_the_persons_to_give(world: World) -> None:
    member = world.membership(world.viewer)
    response = signed_in(world.admin).post(world.url(f"members/{member.pk}/role/"), {"role": "owner"}, follow=True)
    assert "cannot be given" in response.content.decode()
    assert world.membership(world.viewer).role == "viewer"


def test_the_page_explains_why_the_last_owner_stays(world: World) -> None:
    member = world.membership(world.owner)
    response = signed_in(world.owner).post(world.url(f"members/{member.pk}/role/"), {"role": "admin"})
    assert response.status_code == 409
    assert "Make another member an owner first" in response.content.decode()


def test_removal_asks_for_the_address_to_be_typed(world: World) -> None:
    url = world.url(f"members/{world.membership(world.viewer).pk}/remove/")
    client = signed_in(world.owner)
    assert client.post(url, {"confirm": "yes"}).status_code == 400
    assert Membership.objects.of(world.workspace).filter(user=world.viewer).exists()
    assert client.post(url, {"confirm": "Viewer@example.org"}).status_code == 302
    assert not Membership.objects.of(world.workspace).filter(user=world.viewer).exists()


def test_a_name_full_of_markup_is_shown_as_text(world: World) -> None:
    User.objects.filter(pk=world.viewer.pk).update(name="<script>alert(1)</script>\"'><img src=x onerror=alert(1)>")
    shown = signed_in(world.owner).get(world.url("members/")).content.decode()
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in shown
    assert "<script>alert(1)" not in shown
    assert "<img src=x" not in shown
