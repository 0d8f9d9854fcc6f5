"""Dead letters: records that were set aside, each with its reason and its encrypted payload."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q

from integrations.domain.lifecycle import DeadLetterState
from integrations.models.base import WorkspaceManager, WorkspaceModel
from integrations.models.integration import Integration
from integrations.models.run import Run

# What a redrive can take: a record as it was read, or one that a person made of what was read.
REDRIVABLE = Q(is_record=True) | ~Q(edited="")


def with_words(words: str) -> Q:
    """Letters whose reason, code or field has all the words. Records are encrypted and cannot be searched."""
    found = Q()
    for word in words.split():
        found &= Q(reason__icontains=word) | Q(code__icontains=word) | Q(field__icontains=word)
    return found


class DeadLetter(WorkspaceModel):
    """`payload` is the record as it was read (JSON), encrypted and bound to this row; `field` and `reason` say why.

    `edited` is the record as a person corrected it, encrypted too; empty where nobody did. What was read stays.
    """

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
    edited = models.TextField(blank=True)
    edited_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    edited_at = models.DateTimeField(null=True, blank=True)
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

    @property
    def is_redrivable(self) -> bool:
        return self.is_record or bool(self.edited)
