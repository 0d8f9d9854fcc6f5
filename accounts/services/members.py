"""Adds people to a workspace, changes their role, and removes them."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field

from django.db import transaction
from django.utils import timezone

from accounts import audit
from accounts.domain.roles import Role, may_assign
from accounts.errors import PERMISSION_DENIED, Conflict, Denied, declare
from accounts.models import ApiToken, Membership, User, Workspace
from accounts.models.user import normal_email

ALREADY_MEMBER = declare(
    "already_member", "That person is a member of this workspace.", "Change their role in the list of members."
)
LAST_OWNER = declare(
    "last_owner", "A workspace always has an owner.", "Make another member an owner first, then try again."
)
ROLE_ABOVE_OWN = declare(
    "role_above_own", "Nobody gives or takes a role above their own.", "Ask an owner of the workspace to do it."
)


@dataclass(frozen=True)
class Added:
    """A new member; the password is set where the account is new, shown once, and stored as a hash only."""

    membership: Membership
    one_time_password: str | None = field(repr=False)


@transaction.atomic
def add(*, workspace: Workspace, by: Membership | None, email: str, role: Role, name: str = "") -> Added:
    """Make somebody a member, with a new account where the address has none; `by` is None for the system itself."""
    _require_rank(by, role)
    email = normal_email(email)
    user = User.objects.filter(email=email).first()
    password = None
    if user is None:
        password = new_password()
        user = User.objects.create_user(email, password, name=name)
    elif Membership.objects.of(workspace).filter(user=user).exists():
        raise Conflict(ALREADY_MEMBER, f"{email} is a member of {workspace.name} already.")
    membership = Membership.objects.create(workspace=workspace, user=user, role=role.value)
    audit.record(
        workspace=workspace,
        action="member.added",
        object=membership,
        after={"email": email, "role": role.value, "new_account": password is not None},
    )
    return Added(membership, password)


@transaction.atomic
def change_role(*, membership: Membership, by: Membership | None, role: Role) -> None:
    """Give a member another role, up to the one who gives it, and from members not above them."""
    before = _locked(membership)
    _require_rank(by, role)
    _require_rank(by, before)
    if before == role:
        return
    if before == Role.OWNER:
        _require_another_owner(membership)
    membership.role = role.value
    membership.save(update_fields=["role"])
    audit.record(
        workspace=membership.workspace,
        action="member.role_changed",
        object=membership,
        before={"role": before.value},
        after={"role": role.value},
    )


@transaction.atomic
def remove(*, membership: Membership, by: Membership | None) -> None:
    """End a membership and revoke the person's tokens here, so that a later return does not revive them."""
    before = _locked(membership)
    _require_rank(by, before)
    if before == Role.OWNER:
        _require_another_owner(membership)
    revoked = (
        ApiToken.objects.of(membership.workspace)
        .filter(creator=membership.user, revoked_at=None)
        .update(revoked_at=timezone.now())
    )
    audit.record(
        workspace=membership.workspace,
        action="member.removed",
        object=membership,
        before={"email": membership.user.email, "role": before.value},
        after={"tokens_revoked": revoked},
    )
    membership.delete()


def new_password() -> str:
    """A one-time password: 120 random bits, easy to copy."""
    return secrets.token_urlsafe(15)


def _locked(membership: Membership) -> Role:
    """Lock the workspace, so that two owners cannot remove each other at once, and read the role anew."""
    Workspace.objects.select_for_update().get(pk=membership.workspace_id)
    membership.refresh_from_db(fields=["role"])
    return membership.as_role


def _require_rank(by: Membership | None, role: Role) -> None:
    if by is None:
        return
    if not by.allows("role.assign"):
        raise Denied(PERMISSION_DENIED, f"Your role ({by.role}) assigns no roles.", permission="role.assign")
    if not may_assign(by.as_role, role):
        raise Denied(ROLE_ABOVE_OWN, f"Your role ({by.role}) is below {role.value}.")


def _require_another_owner(membership: Membership) -> None:
    others = Membership.objects.of(membership.workspace).owners().exclude(pk=membership.pk)
    if not others.filter(user__is_active=True).exists():
        raise Conflict(LAST_OWNER, f"{membership.user.email} is the only owner of {membership.workspace.name}.")
