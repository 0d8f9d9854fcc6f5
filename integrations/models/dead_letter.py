"""Dead letters: records that were set aside, each with its reason and its encrypted payload."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Exists, OuterRef, Q

from accounts.models import Workspace
from integrations.domain.lifecycle import BatchState, DeadLetterState, Outcome
from integrations.models.base import WorkspaceManager, WorkspaceModel
from integrations.models.integration import Integration
from integrations.models.run import Run, RunBatch

# What a redrive can take: a record as it was read, or one that a person made of what was read.
REDRIVABLE = Q(is_record=True) | ~Q(edited="")


def with_words(words: str) -> Q:
    """Letters whose reason, code or field has all the words. Records are encrypted and cannot be searched."""
    found = Q()
    for word in words.split():
        found &= Q(reason__icontains=word) | Q(code__icontains=word) | Q(field__icontains=word)
    return found


def in_unsettled_batch() -> Exists:
    """Letters of a batch of which is not known yet whether it counts: the next run counts them or forgets them."""
    return Exists(
        RunBatch.objects.filter(run=OuterRef("run"), number=OuterRef("batch_number"), state=BatchState.PREPARED)
    )


def standing_twice() -> Q:
    """Letters that a redrive set aside in an unsettled batch: the letter that they came from stands for the record."""
    return Q(origin__isnull=False) & Q(in_unsettled_batch())


class DeadLetterManager(WorkspaceManager["DeadLetter"]):
    """Letters as people know them: each record that was set aside once."""

    def of(self, workspace: Workspace) -> models.QuerySet[DeadLetter]:
        """The letters of a workspace, without those that stand there twice."""
        return self.filter(workspace=workspace).exclude(standing_twice())


class DeadLetter(WorkspaceModel):
    """`payload` is the record as it was read (JSON), encrypted and bound to this row; `field` and `reason` say why.

    `edited` is the record as a person corrected it, encrypted too; empty where nobody did. What was read stays.
    `fingerprint` is the same for the same record with the same reason; an open letter counts the runs that set it aside
    (`seen_count`) and names the last other one (`last_run`), whose own letter is `repeated`.
    A redriven letter has its `outcome`; where it was set aside again, a letter of that run has it as its `origin`.
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
    fingerprint = models.CharField(max_length=32, blank=True, default="", db_default="")
    seen_count = models.PositiveIntegerField(default=1, db_default=1)
    last_run = models.ForeignKey(Run, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    is_record = models.BooleanField(default=True)
    payload = models.TextField()
    edited = models.TextField(blank=True)
    edited_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    edited_at = models.DateTimeField(null=True, blank=True)
    redrive = models.ForeignKey(Run, null=True, blank=True, on_delete=models.SET_NULL, related_name="redriven_letters")
    outcome = models.CharField(
        max_length=10, choices=[(o.value, o.value) for o in Outcome], blank=True, default="", db_default=""
    )
    # Without a constraint: letters are deleted by the thousand, and one may outlive the letter that it came from.
    origin = models.ForeignKey(
        "self", null=True, blank=True, on_delete=models.DO_NOTHING, db_constraint=False, related_name="again"
    )
    resolved_at = models.DateTimeField(null=True, blank=True)

    objects = DeadLetterManager()

    class Meta:
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["workspace", "state", "-id"], name="dead_letter_of_workspace"),
            models.Index(fields=["run", "batch_number"], name="dead_letter_of_batch"),
            models.Index(
                fields=["integration", "fingerprint"], condition=Q(state="open"), name="open_dead_letter_of_record"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.code}: {self.reason}"

    @property
    def is_redrivable(self) -> bool:
        return self.is_record or bool(self.edited)
