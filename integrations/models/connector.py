"""Connectors: configured instances of a plugin, in one environment."""

from __future__ import annotations

from django.db import models

from integrations.models.base import WorkspaceManager, WorkspaceModel
from integrations.models.credential import Credential
from integrations.models.policy import Policy


class Environment(models.TextChoices):
    """Where a connector and a deployment live."""

    DEVELOPMENT = "development"
    STAGING = "staging"
    PRODUCTION = "production"


class CheckState(models.TextChoices):
    """What the last connection test said."""

    UNKNOWN = "unknown", "not tested"
    OK = "ok", "healthy"
    FAILED = "failed", "failing"


class Connector(WorkspaceModel):
    """`settings` are the plugin's declared settings, never a secret."""

    name = models.CharField(max_length=80)
    plugin = models.CharField(max_length=40)
    environment = models.CharField(max_length=20, choices=Environment.choices, default=Environment.PRODUCTION)
    settings = models.JSONField(default=dict)
    credential = models.ForeignKey(
        Credential, null=True, blank=True, on_delete=models.PROTECT, related_name="connectors"
    )
    policy = models.ForeignKey(Policy, null=True, blank=True, on_delete=models.PROTECT, related_name="connectors")
    updated_at = models.DateTimeField(auto_now=True)
    check_state = models.CharField(max_length=10, choices=CheckState.choices, default=CheckState.UNKNOWN)
    check_message = models.CharField(max_length=500, blank=True)
    check_what_to_do = models.CharField(max_length=500, blank=True)
    check_ms = models.PositiveIntegerField(null=True, blank=True)
    checked_at = models.DateTimeField(null=True, blank=True)
    check_state_since = models.DateTimeField(null=True, blank=True)

    objects = WorkspaceManager["Connector"]()

    class Meta:
        ordering = ["name"]
        constraints = [models.UniqueConstraint(fields=["workspace", "name"], name="connector_name_in_workspace")]

    def __str__(self) -> str:
        return self.name
