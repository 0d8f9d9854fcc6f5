"""Changes that wait for a second person: who asked, for what, and who decided."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q

from integrations.domain.approval import ApprovalKind, ApprovalState
from integrations.models.base import WorkspaceManager, WorkspaceModel
from integrations.models.integration import Deployment, IntegrationVersion
from integrations.models.policy import Policy


class ApprovalRequest(WorkspaceModel):
    """One waiting change: a version to activate, or a policy with the values that it shall have (`change`)."""

    kind = models.CharField(max_length=20, choices=[(kind.value, kind.value) for kind in ApprovalKind])
    state = models.CharField(
        max_length=10, choices=[(s.value, s.value) for s in ApprovalState], default=ApprovalState.OPEN
    )
    deployment = models.ForeignKey(
        Deployment, null=True, blank=True, on_delete=models.CASCADE, related_name="approval_requests"
    )
    version = models.ForeignKey(IntegrationVersion, null=True, blank=True, on_delete=models.CASCADE, related_name="+")
    policy = models.ForeignKey(
        Policy, null=True, blank=True, on_delete=models.CASCADE, related_name="approval_requests"
    )
    change = models.JSONField(default=dict)
    title = models.CharField(max_length=200)
    asked_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    decided_at = models.DateTimeField(null=True, blank=True)
    note = models.CharField(max_length=300, blank=True)

    objects = WorkspaceManager["ApprovalRequest"]()

    class Meta:
        ordering = ["-id"]
        indexes = [models.Index(fields=["workspace", "state", "-id"], name="approval_of_workspace")]
        constraints = [
            models.UniqueConstraint(
                fields=["deployment"],
                condition=Q(state="open", deployment__isnull=False),
                name="one_open_approval_in_deployment",
            ),
            models.UniqueConstraint(
                fields=["policy"], condition=Q(state="open", policy__isnull=False), name="one_open_approval_of_policy"
            ),
        ]

    def __str__(self) -> str:
        return self.title
