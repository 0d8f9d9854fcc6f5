"""Batches on their way to a remote destination: what exactly is sent, and what may have arrived twice."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import F, Q

from integrations.domain.guarantee import Guarantee, Verdict
from integrations.models.base import WorkspaceManager, WorkspaceModel
from integrations.models.integration import Integration
from integrations.models.run import Run, RunBatch


class BatchIntent(WorkspaceModel):
    """A prepared batch's exact content, stored before it is sent and dropped when it is committed.

    `content` holds the requests and the source records, encrypted and bound to this row. Of its parts (`sizes`: their
    records) `done` have their answers here (`refused`: what they set aside) and `begun` may have been sent. `owner`
    names the checkpoint that the batch moves and `after` the cursor from which it was read, so that a run that would
    read the same again takes it over.
    """

    batch = models.OneToOneField(RunBatch, on_delete=models.CASCADE, related_name="intent")
    owner = models.CharField(max_length=300, db_index=True)
    guarantee = models.CharField(max_length=20, choices=[(g.value, g.value) for g in Guarantee])
    after = models.JSONField(null=True)
    content = models.TextField()
    sizes = models.JSONField()
    done = models.PositiveIntegerField(default=0)
    begun = models.PositiveIntegerField(default=0)
    refused = models.JSONField(default=list)

    objects = WorkspaceManager["BatchIntent"]()

    class Meta:
        constraints = [models.CheckConstraint(condition=Q(done__lte=F("begun")), name="intent_begun_before_done")]

    def __str__(self) -> str:
        return f"intent of {self.batch}"


class UncertainBatch(WorkspaceModel):
    """A batch that was sent again although an earlier send may have arrived, where a destination stores it twice.

    `records` is how many records may be there too often: those of each further send. A person says what was found
    (`verdict`, `note`).
    """

    integration = models.ForeignKey(Integration, on_delete=models.CASCADE, related_name="uncertain_batches")
    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="uncertain_batches")
    number = models.PositiveIntegerField()
    records = models.PositiveIntegerField()
    sends = models.PositiveIntegerField(default=2)
    reason = models.CharField(max_length=300)
    verdict = models.CharField(max_length=12, choices=[(v.value, v.value) for v in Verdict], blank=True)
    note = models.CharField(max_length=500, blank=True)
    resolved_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    resolved_at = models.DateTimeField(null=True, blank=True)

    objects = WorkspaceManager["UncertainBatch"]()

    class Meta:
        ordering = ["-id"]
        verbose_name_plural = "uncertain batches"
        indexes = [models.Index(fields=["workspace", "verdict", "-id"], name="uncertain_of_workspace")]
        constraints = [models.UniqueConstraint(fields=["run", "number"], name="one_uncertain_a_batch")]

    def __str__(self) -> str:
        return f"batch {self.number}"

    @property
    def is_open(self) -> bool:
        return not self.verdict
