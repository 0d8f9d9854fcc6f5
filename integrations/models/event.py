"""The event log: every change appends its row in its own transaction; monitoring reads it."""

from __future__ import annotations

from django.db import models
from django.db.models import Value
from django.db.models.functions import Now

from accounts.models import Workspace


class Event(models.Model):
    """`tx` is the writing transaction's id where the database has one (PostgreSQL), else 0: see `monitoring.stream`.

    `seq` numbers the events of one run without a gap.
    """

    id = models.BigAutoField(primary_key=True)
    tx = models.BigIntegerField(db_default=Value(0))
    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="+")
    at = models.DateTimeField(db_default=Now())
    topic = models.CharField(max_length=20)
    object_id = models.UUIDField()
    run_id = models.UUIDField(null=True, blank=True)
    seq = models.PositiveIntegerField(null=True, blank=True)
    kind = models.CharField(max_length=40)
    level = models.CharField(max_length=8, default="info")
    message = models.CharField(max_length=500, blank=True)
    data = models.JSONField(default=dict)

    class Meta:
        ordering = ["id"]
        indexes = [
            models.Index(fields=["tx", "id"], name="event_in_commit_order"),
            models.Index(fields=["workspace", "id"], name="event_of_workspace"),
            # A connector's history is a few rows among all that its runs write.
            models.Index(fields=["object_id", "id"], condition=models.Q(topic="connector"), name="event_of_connector"),
        ]
        constraints = [models.UniqueConstraint(fields=["run_id", "seq"], name="event_seq_in_run")]

    def __str__(self) -> str:
        return f"{self.kind} {self.object_id}"
