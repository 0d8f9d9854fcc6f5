"""API tokens: the id and a keyed hash, never the secret."""

from __future__ import annotations

from datetime import datetime
from typing import Self

from django.db import models

from accounts.models.base import new_id
from accounts.models.user import User
from accounts.models.workspace import Membership, Workspace


class ApiTokenQuerySet(models.QuerySet["ApiToken"]):
    """The first step of every read is `.of(workspace)`."""

    def of(self, workspace: Workspace) -> Self:
        """The tokens of one workspace."""
        return self.filter(workspace=workspace)

    def by(self, creator: User) -> Self:
        """The tokens that one person made."""
        return self.filter(creator=creator)

    def visible_to(self, membership: Membership) -> Self:
        """What a member sees: every token of the workspace, or only their own."""
        found = self.of(membership.workspace)
        return found if membership.allows("token.manage_all") else found.by(membership.user)


class ApiToken(models.Model):
    """It may do what its scopes list and its creator's present role allows."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="tokens")
    creator = models.ForeignKey(User, on_delete=models.CASCADE, related_name="tokens")
    name = models.CharField(max_length=80)
    key_id = models.CharField(max_length=8, unique=True)
    secret_hash = models.CharField(max_length=64)
    scopes = models.JSONField(default=list)
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField()
    last_used_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)

    objects = ApiTokenQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        constraints = [models.UniqueConstraint(fields=["workspace", "id"], name="token_id_in_workspace")]

    def __str__(self) -> str:
        return f"{self.name} ({self.key_id})"

    def is_usable(self, now: datetime) -> bool:
        """Neither revoked nor expired; the creator's state is asked separately."""
        return self.revoked_at is None and now < self.expires_at

    def state(self, now: datetime) -> str:
        """`active`, `expired` or `revoked`, for the list."""
        if self.revoked_at is not None:
            return "revoked"
        return "active" if now < self.expires_at else "expired"
