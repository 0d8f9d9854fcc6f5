"""Credentials and their versions; the secret itself only ever stands encrypted in a version."""

from __future__ import annotations

from django.conf import settings
from django.db import models

from integrations.models.base import WorkspaceManager, WorkspaceModel, new_id


class Credential(WorkspaceModel):
    """What a connector signs in with. `public` holds the fields that are not secret (a user name, a header's name)."""

    name = models.CharField(max_length=80)
    kind = models.CharField(max_length=40)
    public = models.JSONField(default=dict)
    current = models.PositiveIntegerField(default=1)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    updated_at = models.DateTimeField(auto_now=True)
    last_used_at = models.DateTimeField(null=True, blank=True)

    objects = WorkspaceManager["Credential"]()

    class Meta:
        ordering = ["name"]
        constraints = [models.UniqueConstraint(fields=["workspace", "name"], name="credential_name_in_workspace")]

    def __str__(self) -> str:
        return self.name


class CredentialVersion(models.Model):
    """One stored secret: `ciphertext` is bound to this row's id by associated data (`integrations.encryption`)."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    credential = models.ForeignKey(Credential, on_delete=models.CASCADE, related_name="versions")
    number = models.PositiveIntegerField()
    ciphertext = models.TextField()
    created_at = models.DateTimeField(auto_now_add=True)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")

    class Meta:
        ordering = ["-number"]
        constraints = [models.UniqueConstraint(fields=["credential", "number"], name="credential_version_number")]

    def __str__(self) -> str:
        return f"version {self.number}"
