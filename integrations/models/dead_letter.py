"""Dead letters: records that were set aside, each with its reason and its encrypted payload."""

from __future__ import annotations

from django.db import models

from integrations.domain.lifecycle import DeadLetterState
from integrations.models.base import WorkspaceManager, WorkspaceModel
from integrations.models.integration import Integration
from integrations.models.run import Run


class DeadLetter(WorkspaceModel):
    """`payload` is the record as it was read (JSON), encrypted and bound to this row; `field` and `reason` say why."""

    integration = models.ForeignKey(Integration, on_delete=models.CASCADE, related_name="dead_letters")
    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="dead_letters")
    batch_number = models.PositiveIntegerField()
    state = models.CharField(
        max_length=10, choices=[(s.value, s.value) for s in DeadLetterState], default=DeadLetterState.OPEN
    )
    code = models.CharField(max_length=60)
    field = models.CharField(max_length=120, blank=True)
    reason = models.CharField(max_length=500)
    is_record = models.BooleanField(default=True)
    payload = models.TextField()
    redrive = models.ForeignKey(Run, null=True, blank=True, on_delete=models.SET_NULL, related_name="redriven_letters")
    resolved_at = models.DateTimeField(null=True, blank=True)

    objects = WorkspaceManager["DeadLetter"]()

    class Meta:
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["workspace", "state", "-id"], name="dead_letter_of_workspace"),
            models.Index(fields=["run", "batch_number"], name="dead_letter_of_batch"),
        ]

    def __str__(self) -> str:
        return f"{self.code}: {self.reason}"
