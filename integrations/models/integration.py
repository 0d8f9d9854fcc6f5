"""Integrations, their immutable versions, the deployment of one in an environment, and its schedule."""

from __future__ import annotations

from django.conf import settings
from django.db import models

from integrations.domain.guarantee import WriteMode
from integrations.domain.misfire import Misfire
from integrations.domain.schedule import ScheduleKind
from integrations.models.base import WorkspaceManager, WorkspaceModel, new_id
from integrations.models.connector import Connector, Environment
from integrations.models.policy import Policy


class ReadMode(models.TextChoices):
    """`full` reads the whole stream in every run; `incremental` what is new since the last checkpoint."""

    FULL = "full"
    INCREMENTAL = "incremental"


class Integration(WorkspaceModel):
    """Source stream -> mapping -> destination stream, under policies; what it does stands in its versions."""

    name = models.SlugField(max_length=80)
    description = models.CharField(max_length=300, blank=True)
    policy = models.ForeignKey(Policy, null=True, blank=True, on_delete=models.PROTECT, related_name="integrations")
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    updated_at = models.DateTimeField(auto_now=True)

    objects = WorkspaceManager["Integration"]()

    class Meta:
        ordering = ["name"]
        constraints = [models.UniqueConstraint(fields=["workspace", "name"], name="integration_name_in_workspace")]

    def __str__(self) -> str:
        return self.name


class IntegrationVersion(models.Model):
    """An immutable revision. `mapping` is `domain.mapping` as plain values; `key` matches records for upsert."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    integration = models.ForeignKey(Integration, on_delete=models.CASCADE, related_name="versions")
    number = models.PositiveIntegerField()
    source = models.ForeignKey(Connector, on_delete=models.PROTECT, related_name="read_by")
    source_stream = models.CharField(max_length=300)
    read_mode = models.CharField(max_length=12, choices=ReadMode.choices, default=ReadMode.FULL)
    cursor_field = models.CharField(max_length=120, blank=True)
    primary_key = models.JSONField(default=list)
    destination = models.ForeignKey(Connector, on_delete=models.PROTECT, related_name="written_by")
    destination_stream = models.CharField(max_length=300)
    write_mode = models.CharField(
        max_length=10, choices=[(mode.value, mode.value) for mode in WriteMode], default=WriteMode.UPSERT
    )
    key = models.JSONField(default=list)
    mapping = models.JSONField(default=dict)
    note = models.CharField(max_length=300, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")

    class Meta:
        ordering = ["-number"]
        constraints = [models.UniqueConstraint(fields=["integration", "number"], name="integration_version_number")]

    def __str__(self) -> str:
        return f"version {self.number}"

    @property
    def reads(self) -> tuple[object, ...]:
        """What a cursor is a place in: two versions that agree in it read on from each other's."""
        stream = (self.source_id, self.source_stream)
        return (*stream, self.read_mode, self.cursor_field, tuple(self.primary_key))


class Deployment(WorkspaceModel):
    """The version that is active in an environment.

    `fence` rises with every claim of any of its runs, so that a destination can refuse whoever claimed earlier.
    `cursor` is where an incremental read goes on; `epoch` rises when a person resets it. `source_columns` are the
    source's columns as they were last known and accepted: name to type. `is_approved` is false until a second person
    has approved the first version, where the policy asks for one: nothing runs before that.
    """

    integration = models.ForeignKey(Integration, on_delete=models.CASCADE, related_name="deployments")
    environment = models.CharField(max_length=20, choices=Environment.choices, default=Environment.PRODUCTION)
    version = models.ForeignKey(IntegrationVersion, on_delete=models.PROTECT, related_name="deployments")
    enabled = models.BooleanField(default=True)
    is_approved = models.BooleanField(default=True, db_default=True)
    fence = models.BigIntegerField(default=0)
    epoch = models.PositiveIntegerField(default=0)
    cursor = models.JSONField(null=True, blank=True)
    cursor_at = models.DateTimeField(null=True, blank=True)
    source_columns = models.JSONField(null=True, blank=True)
    updated_at = models.DateTimeField(auto_now=True)

    objects = WorkspaceManager["Deployment"]()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["integration", "environment"], name="one_deployment_in_environment")
        ]

    def __str__(self) -> str:
        return f"{self.integration} in {self.environment}"


class Schedule(models.Model):
    """When a deployment runs by itself; `next_due_at` is what any number of schedulers compare and set.

    `blackout` is `domain.blackout` as plain values. `waits_since` says since when a due time waits for a run to end.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    deployment = models.OneToOneField(Deployment, on_delete=models.CASCADE, related_name="schedule")
    kind = models.CharField(max_length=10, choices=[(kind.value, kind.value) for kind in ScheduleKind])
    cron = models.CharField(max_length=120, blank=True)
    every_seconds = models.PositiveIntegerField(null=True, blank=True)
    time_zone = models.CharField(max_length=64, default="UTC")
    enabled = models.BooleanField(default=True)
    next_due_at = models.DateTimeField(null=True, blank=True, db_index=True)
    misfire = models.CharField(
        max_length=4,
        choices=[(each.value, each.value) for each in Misfire],
        default=Misfire.ONE,
        db_default=Misfire.ONE.value,
    )
    catch_up_most = models.PositiveSmallIntegerField(default=100, db_default=100)
    blackout = models.JSONField(null=True, blank=True)
    waits_since = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return self.cron or f"every {self.every_seconds} s"
