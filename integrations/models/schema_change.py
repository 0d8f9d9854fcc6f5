"""Changes of a source's columns that wait for a person to look at them."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q

from integrations.domain.drift import ColumnChange, DriftKind, DriftState
from integrations.models.base import WorkspaceManager, WorkspaceModel
from integrations.models.integration import Deployment, IntegrationVersion
from integrations.models.run import Run


class SchemaChange(WorkspaceModel):
    """One column's change. `sample` is up to three values of it as JSON, encrypted; `touches` are the mapping's fields.

    `version` was prepared with the new column, where the policy says so. `seen_at` is when a run last met it.
    """

    deployment = models.ForeignKey(Deployment, on_delete=models.CASCADE, related_name="schema_changes")
    run = models.ForeignKey(Run, null=True, on_delete=models.SET_NULL, related_name="schema_changes")
    kind = models.CharField(max_length=20, choices=[(kind.value, kind.value) for kind in DriftKind])
    column = models.CharField(max_length=200)
    before = models.CharField(max_length=60, blank=True)
    after = models.CharField(max_length=60, blank=True)
    touches = models.JSONField(default=list)
    sample = models.TextField(blank=True)
    stopped = models.BooleanField(default=False)
    version = models.ForeignKey(IntegrationVersion, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    seen_at = models.DateTimeField()
    state = models.CharField(max_length=10, choices=[(s.value, s.value) for s in DriftState], default=DriftState.OPEN)
    note = models.CharField(max_length=300, blank=True)
    resolved_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    resolved_at = models.DateTimeField(null=True, blank=True)

    objects = WorkspaceManager["SchemaChange"]()

    class Meta:
        ordering = ["-id"]
        indexes = [models.Index(fields=["workspace", "state", "-id"], name="schema_change_of_workspace")]
        constraints = [
            models.UniqueConstraint(
                fields=["deployment", "kind", "column", "after"],
                condition=Q(state="open"),
                name="one_open_schema_change",
            )
        ]

    def __str__(self) -> str:
        return self.change.sentence

    @property
    def change(self) -> ColumnChange:
        """The row as the domain sees it."""
        return ColumnChange(DriftKind(self.kind), self.column, self.before, self.after)
