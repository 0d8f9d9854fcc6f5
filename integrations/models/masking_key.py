"""The key of a workspace's hash masks: made once, kept encrypted, so that a hash stays the same for good."""

from __future__ import annotations

from django.db import models

from integrations.models.base import WorkspaceManager, WorkspaceModel


class MaskingKey(WorkspaceModel):
    """`ciphertext` is 32 random bytes, encrypted and bound to this row."""

    ciphertext = models.TextField()

    objects = WorkspaceManager["MaskingKey"]()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["workspace"], name="one_masking_key_in_workspace")]

    def __str__(self) -> str:
        return f"masking key of {self.workspace_id}"
