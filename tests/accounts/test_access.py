"""Who may do what, asked of the database."""

from __future__ import annotations

import pytest
from django.template import Context, Template
from django.test import RequestFactory

from accounts import context
from accounts.access import Access, access_of, has_permission, is_instance_allowed
from accounts.declarations import Declaration, Reach, public, requires_permission, shell_command
from accounts.models import ApiToken, Membership, User
from tests.world import World, token_text


def test_a_member_may_what_the_role_holds(world: World) -> None:
    assert has_permission(world.operator, world.workspace, "run.start")
    assert not has_permission(world.viewer, world.workspace, "run.start")


def test_an_outsider_may_nothing(world: World) -> None:
    assert access_of(world.outsider, world.workspace.slug) is None
    assert not has_permission(world.outsider, world.workspace, "workspace.read")


def test_an_instance_admin_may_nothing_here_without_a_membership(world: World) -> None:
    assert not has_permission(world.instance_admin, world.workspace, "policy.read")
    assert is_instance_allowed(world.instance_admin, "keys.rotate")
    assert not is_instance_allowed(world.owner, "keys.rotate")


def test_an_instance_admin_who_is_a_member_holds_the_instances_permissions_too(world: World) -> None:
    Membership.objects.create(workspace=world.workspace, user=world.instance_admin, role="viewer")
    assert has_permission(world.instance_admin, world.workspace, "egress.allow_private")
    assert not has_permission(world.instance_admin, world.workspace, "run.start")
    assert not has_permission(world.owner, world.workspace, "egress.allow_private")


def test_a_closed_account_may_nothing(world: World) -> None:
    User.objects.filter(pk=world.owner.pk).update(is_active=False)
    world.owner.refresh_from_db()
    assert not has_permission(world.owner, world.workspace, "workspace.read")


def test_a_token_may_what_scope_and_role_both_hold(world: World) -> None:
    token_text(world.operator, world.workspace, "run.start")
    token = ApiToken.objects.get()
    assert has_permission(token, world.workspace, "run.start")
    assert not has_permission(token, world.workspace, "run.cancel")
    assert not has_permission(token, world.other, "run.start")


def test_an_unknown_permission_is_a_defect(world: World) -> None:
    with pytest.raises(ValueError, match=r"run\.strat"):
        has_permission(world.owner, world.workspace, "run.strat")


@pytest.mark.parametrize("reach", [Reach.PUBLIC, Reach.SHELL, Reach.SIGNED_IN])
def test_an_edge_without_a_permission_says_why(reach: Reach) -> None:
    with pytest.raises(ValueError, match="says why"):
        Declaration(reach)


def test_an_edge_cannot_declare_a_permission_that_does_not_exist() -> None:
    with pytest.raises(ValueError, match=r"run\.strat"):
        requires_permission("run.strat")


def test_class_decorators_leave_a_declaration() -> None:
    class Edge:
        pass

    assert getattr(requires_permission("run.read")(Edge), "permission", None) == "run.read"
    assert getattr(public("a probe")(Edge), "permission", None) == "public"
    assert getattr(shell_command("a shell")(Edge), "permission", None) == "shell"


def rendered(text: str, access: Access | None) -> str:
    request = RequestFactory().get("/")
    request.user = User()
    request.access = access  # type: ignore[attr-defined]
    return Template(text).render(Context(dict(context.workspace(request))))


def test_templates_ask_by_the_permissions_name(world: World) -> None:
    text = "{% if can.run_start %}start{% endif %}{% can 'run.read' as r %}{{ r }}"
    assert rendered(text, Access(world.membership(world.operator))) == "startTrue"
    assert rendered(text, Access(world.membership(world.viewer))) == "True"
    assert rendered(text, None) == "False"


def test_a_template_that_asks_for_an_unknown_permission_fails_loudly(world: World) -> None:
    with pytest.raises(context.UnknownPermissionError):
        rendered("{% if can.run_strat %}x{% endif %}", Access(world.membership(world.owner)))


def test_the_chooser_lists_ones_own_workspaces(world: World) -> None:
    request = RequestFactory().get("/")
    request.user = world.outsider
    assert context.workspace(request)["my_workspaces"]() == [world.other]
