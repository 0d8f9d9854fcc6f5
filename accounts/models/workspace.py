"""Workspaces: who is in them, and as what."""

from __future__ import annotations

from typing import Self

from django.db import models

from accounts.domain.roles import Role, role_allows
from accounts.models.base import new_id
from accounts.models.user import User


class StatusPage(models.TextChoices):
    """Who may open the live status page."""

    MEMBERS = "members", "members only"
    PUBLIC = "public", "anybody"


class Workspace(models.Model):
    """The wall around a team's integrations: nothing refers across it."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    slug = models.SlugField(max_length=50, unique=True)
    name = models.CharField(max_length=80)
    is_demo = models.BooleanField(default=False)
    status_page = models.CharField(max_length=10, choices=StatusPage.choices, default=StatusPage.MEMBERS)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["name", "slug"]

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        """The address of its overview, a page of an app above."""
        return f"/w/{self.slug}/"

    @property
    def has_public_status(self) -> bool:
        """Anybody may open the status page, signed in or not."""
        return self.status_page == StatusPage.PUBLIC


class MembershipQuerySet(models.QuerySet["Membership"]):
    """The first step of every read is `.of(workspace)`."""

    def of(self, workspace: Workspace) -> Self:
        """The members of one workspace."""
        return self.filter(workspace=workspace)

    def owners(self) -> Self:
        """Those who may do everything."""
        return self.filter(role=Role.OWNER.value)


class Membership(models.Model):
    """A person in a workspace, with one role."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="memberships")
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="memberships")
    role = models.CharField(max_length=10, choices=[(role.value, role.value) for role in Role])
    created_at = models.DateTimeField(auto_now_add=True)

    objects = MembershipQuerySet.as_manager()

    class Meta:
        ordering = ["user__email"]
        constraints = [
            models.UniqueConstraint(fields=["workspace", "user"], name="membership_once"),
            models.UniqueConstraint(fields=["workspace", "id"], name="membership_id_in_workspace"),
            models.CheckConstraint(
                condition=models.Q(role__in=[role.value for role in Role]), name="membership_known_role"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.user} as {self.role}"

    @property
    def as_role(self) -> Role:
        """The role as the enum."""
        return Role(self.role)

    def allows(self, permission: str) -> bool:
        """Say whether this member's role holds a permission."""
        return role_allows(self.as_role, permission)
