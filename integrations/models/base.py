"""What every table of a workspace shares: a time-ordered id, the workspace, and querysets that start there."""

from __future__ import annotations

from typing import Generic, TypeVar

from django.db import models

from accounts.models import Workspace
from accounts.models.base import new_id

__all__ = ["WorkspaceManager", "WorkspaceModel", "new_id"]


M = TypeVar("M", bound="WorkspaceModel")


class WorkspaceManager(models.Manager[M], Generic[M]):
    """The first step of every read: `Model.objects.of(workspace)`."""

    def of(self, workspace: Workspace) -> models.QuerySet[M]:
        """The rows of one workspace."""
        return self.filter(workspace=workspace)


class WorkspaceModel(models.Model):
    """A row that belongs to one workspace."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        abstract = True
