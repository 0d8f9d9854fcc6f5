"""Whether a deployment is stale by its policy; stored so that the change to it is told once."""

from __future__ import annotations

from django.db import models

from integrations.models.base import WorkspaceManager, WorkspaceModel
from integrations.models.integration import Deployment


class Freshness(WorkspaceModel):
    """A row stands here while a deployment is stale. `last_success_at` is null where it never succeeded."""

    deployment = models.OneToOneField(Deployment, on_delete=models.CASCADE, related_name="staleness")
    since = models.DateTimeField()
    last_success_at = models.DateTimeField(null=True, blank=True)
    longest_minutes = models.PositiveIntegerField()

    objects = WorkspaceManager["Freshness"]()

    class Meta:
        verbose_name_plural = "freshness"

    @property
    def words(self) -> str:
        """What it is that is too old."""
        last = f"{self.last_success_at:%Y-%m-%d %H:%M} UTC" if self.last_success_at else "never"
        return f"The last success ({last}) is older than the {self.longest_minutes:,} min that the policy allows."

    def __str__(self) -> str:
        return f"{self.deployment} is stale since {self.since:%Y-%m-%d %H:%M}"
