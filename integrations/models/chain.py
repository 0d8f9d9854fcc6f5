"""Chains: a deployment starts after the runs of another one have succeeded."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import F, Q

from integrations.models.base import WorkspaceManager, WorkspaceModel
from integrations.models.integration import Deployment
from integrations.models.run import Run


class Chain(WorkspaceModel):
    """`deployment` starts after each run of `upstream` that succeeded; with warnings, where a person says so."""

    deployment = models.ForeignKey(Deployment, on_delete=models.CASCADE, related_name="chains")
    upstream = models.ForeignKey(Deployment, on_delete=models.CASCADE, related_name="followers")
    after_warnings = models.BooleanField(default=True)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")

    objects = WorkspaceManager["Chain"]()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["deployment", "upstream"], name="one_chain_between_two"),
            models.CheckConstraint(condition=~Q(deployment=F("upstream")), name="no_chain_to_itself"),
        ]

    def __str__(self) -> str:
        return f"{self.deployment} after {self.upstream}"


class ChainStart(models.Model):
    """A start that is owed: written in the transaction that ends the upstream run, deleted in the one that starts."""

    id = models.BigAutoField(primary_key=True)
    chain = models.ForeignKey(Chain, on_delete=models.CASCADE, related_name="owed")
    upstream_run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="+")
    waits = models.BooleanField(default=False)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["chain", "upstream_run"], name="one_start_owed_a_run")]

    def __str__(self) -> str:
        return f"{self.chain}, run {self.upstream_run}"
