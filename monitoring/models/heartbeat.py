"""The signs of life of the installation's processes."""

from __future__ import annotations

from datetime import timedelta
from typing import ClassVar, Self

from django.db import models
from django.db.models.functions import Now


class ProcessKind(models.TextChoices):
    """What a process is."""

    WEB = "web"
    WORKER = "worker"
    SCHEDULER = "scheduler"


class HeartbeatQuerySet(models.QuerySet["Heartbeat"]):
    """Reads of who is alive."""

    def seen_within(self, seconds: float) -> Self:
        """Processes that beat lately, on the database's clock."""
        return self.filter(seen_at__gte=Now() - timedelta(seconds=seconds))


class Heartbeat(models.Model):
    """One process: `name` is host and process id; `seen_at` moves every two seconds."""

    id = models.BigAutoField(primary_key=True)
    kind = models.CharField(max_length=10, choices=ProcessKind.choices)
    name = models.CharField(max_length=120)
    started_at = models.DateTimeField(db_default=Now())
    seen_at = models.DateTimeField(db_default=Now())

    objects: ClassVar[models.Manager[Heartbeat]] = HeartbeatQuerySet.as_manager()

    class Meta:
        ordering = ["kind", "name"]
        constraints = [models.UniqueConstraint(fields=["kind", "name"], name="one_heartbeat_a_process")]

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"
