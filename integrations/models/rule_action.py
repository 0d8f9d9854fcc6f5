"""When a rule of a policy last did something, and to what: the answer to “does this setting act at all?”."""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Now

from integrations.models.base import WorkspaceManager, WorkspaceModel
from integrations.models.run import Run


class RuleAction(WorkspaceModel):
    """The last time that a rule acted within a scope: the id of an integration, a connector, or the workspace."""

    rule = models.CharField(max_length=80)
    scope_id = models.UUIDField()
    acted_at = models.DateTimeField(db_default=Now())
    run = models.ForeignKey(Run, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    what = models.CharField(max_length=200)

    objects = WorkspaceManager["RuleAction"]()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["workspace", "rule", "scope_id"], name="one_action_a_rule")]

    def __str__(self) -> str:
        return f"{self.rule}: {self.what}"
