"""Named sets of rules; what a connection may do follows from them by inheritance (`domain.policy`)."""

from __future__ import annotations

from django.db import models

from integrations.models.base import WorkspaceManager, WorkspaceModel


class Policy(WorkspaceModel):
    """Rules by name, e.g. {"retry.attempts": 5}; `limits` names those that a lower level may only tighten.

    The default policy applies to the whole workspace. `revision` rises with each change, so that nobody overwrites
    what they have not seen.
    """

    name = models.CharField(max_length=80)
    description = models.CharField(max_length=300, blank=True)
    rules = models.JSONField(default=dict)
    limits = models.JSONField(default=list, db_default=models.Value([], models.JSONField()))
    is_default = models.BooleanField(default=False)
    revision = models.PositiveIntegerField(default=1, db_default=1)
    updated_at = models.DateTimeField(auto_now=True)

    objects = WorkspaceManager["Policy"]()

    class Meta:
        ordering = ["-is_default", "name"]
        verbose_name_plural = "policies"
        constraints = [
            models.UniqueConstraint(fields=["workspace", "name"], name="policy_name_in_workspace"),
            models.UniqueConstraint(
                fields=["workspace"], condition=models.Q(is_default=True), name="one_default_policy_in_workspace"
            ),
        ]

    def __str__(self) -> str:
        return self.name
