"""What every table of a workspace shares: a time-ordered id, the workspace, and querysets that start there."""

from __future__ import annotations

from typing import Self
from uuid import UUID

from django.db import models
from uuid_utils.compat import uuid7

from accounts.models import Workspace


def new_id() -> UUID:
    """A UUIDv7: unguessable in its second half, and ordered by time for indexes and cursor paging."""
    return uuid7()


class WorkspaceQuerySet(models.QuerySet["WorkspaceModel"]):
    """The first step of every read: `Model.objects.of(workspace)`."""

    def of(self, workspace: Workspace) -> Self:
        return self.filter(workspace=workspace)


class WorkspaceModel(models.Model):
    """A row that belongs to one workspace."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        abstract = True
