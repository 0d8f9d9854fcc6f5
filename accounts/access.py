"""Decides who may do what in which workspace, from the rows of this moment."""

from __future__ import annotations

from dataclasses import dataclass

from accounts.domain.roles import INSTANCE_ADMIN_PERMISSIONS, PERMISSIONS, token_allows
from accounts.models import ApiToken, Membership, User, Workspace


@dataclass(frozen=True)
class Access:
    """A member's reach in one workspace; `scopes` is None for a person and the token's list for a token."""

    membership: Membership
    scopes: frozenset[str] | None = None

    @property
    def workspace(self) -> Workspace:
        """The workspace that this access ends at."""
        return self.membership.workspace

    def allows(self, permission: str) -> bool:
        """Say whether the role (and the token's scopes) hold a permission; an unknown one raises ValueError."""
        if self.scopes is not None:
            return token_allows(self.membership.as_role, self.scopes, permission)
        if self.membership.allows(permission):
            return True
        return self.membership.user.is_instance_admin and permission in INSTANCE_ADMIN_PERMISSIONS


def access_of(actor: User | ApiToken, workspace_slug: str) -> Access | None:
    """What an actor may do in the workspace of that slug; None where they are no active member of it."""
    user = actor.creator if isinstance(actor, ApiToken) else actor
    if not user.is_active:
        return None
    found = Membership.objects.select_related("workspace", "user").filter(workspace__slug=workspace_slug, user=user)
    if isinstance(actor, ApiToken):
        membership = found.filter(workspace=actor.workspace_id).first()
        return None if membership is None else Access(membership, frozenset(actor.scopes))
    membership = found.first()
    return None if membership is None else Access(membership)


def has_permission(actor: User | ApiToken, workspace: Workspace, permission: str) -> bool:
    """For consumers, tasks and services: ask the database now, deny by default."""
    require_known(permission)
    access = access_of(actor, workspace.slug)
    return access is not None and access.allows(permission)


def is_instance_allowed(user: User, permission: str) -> bool:
    """Say whether somebody holds a permission over the instance itself."""
    require_known(permission)
    return user.is_active and user.is_instance_admin and permission in INSTANCE_ADMIN_PERMISSIONS


def require_known(permission: str) -> str:
    """Return a permission's name; a name that the matrix does not have is a defect."""
    if permission not in PERMISSIONS:
        raise ValueError(f"unknown permission {permission!r}: see accounts/domain/roles.py")
    return permission
