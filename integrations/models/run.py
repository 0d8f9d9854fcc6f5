"""Runs and their batches: state, lease, fence, cursor and counts of the work itself."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import F, Q

from accounts.models import Workspace
from integrations.domain.lifecycle import ACTIVE_STATES, BatchState, RunState, Trigger
from integrations.models.base import WorkspaceManager, WorkspaceModel
from integrations.models.integration import Deployment, IntegrationVersion


class RunManager(WorkspaceManager["Run"]):
    """Runs as people know them; a partition of a run stands under its run, and only there."""

    def of(self, workspace: Workspace) -> models.QuerySet[Run]:
        """The runs of a workspace that somebody or something started, without their partitions."""
        return self.filter(workspace=workspace, parent=None)

    def with_partitions_of(self, workspace: Workspace) -> models.QuerySet[Run]:
        """The same and their partitions: for the page of one."""
        return self.filter(workspace=workspace)


class Run(WorkspaceModel):
    """One execution of a deployment's version. Every change after the claim says `WHERE id = ? AND fence = ?`.

    `epoch` is the deployment's of the time when it was started: the checkpoint that it moves is named by both.
    `start_cursor` is where the first slice began, `cursor` where the next one goes on; `seq` numbers its events.
    A backfill or replay has a `scope` (`domain.scope`), a chained run the `upstream` run that it follows.
    A run that was cut has `partition_count` child runs, each over its `partition` (key, label, spec); it waits for them
    without a lease, and its counts rise with theirs. `waits_for` names the rule of the policy that keeps a due run
    waiting; `isolation` is how carefully it goes on where workers died (`domain.isolation`).
    """

    deployment = models.ForeignKey(Deployment, on_delete=models.CASCADE, related_name="runs")
    version = models.ForeignKey(IntegrationVersion, on_delete=models.PROTECT, related_name="runs")
    trigger = models.CharField(max_length=10, choices=[(t.value, t.value) for t in Trigger])
    requested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    continues = models.ForeignKey("self", null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    parent = models.ForeignKey("self", null=True, blank=True, on_delete=models.CASCADE, related_name="partitions")
    partition = models.JSONField(null=True, blank=True)
    partition_count = models.PositiveIntegerField(default=0)
    upstream = models.ForeignKey("self", null=True, blank=True, on_delete=models.SET_NULL, related_name="chained")
    scope = models.JSONField(null=True, blank=True)
    epoch = models.PositiveIntegerField(default=0, db_default=0)
    due_at = models.DateTimeField(null=True, blank=True)
    state = models.CharField(max_length=10, choices=[(s.value, s.value) for s in RunState], default=RunState.QUEUED)
    has_warnings = models.BooleanField(default=False)
    cancel_requested = models.BooleanField(default=False)
    pause_requested = models.BooleanField(default=False, db_default=False)

    fence = models.BigIntegerField(default=0)
    lease_until = models.DateTimeField(null=True, blank=True)
    worker = models.CharField(max_length=120, blank=True)
    claims = models.PositiveIntegerField(default=0)
    claims_without_progress = models.PositiveIntegerField(default=0)
    attempt = models.PositiveIntegerField(default=0)
    next_attempt_at = models.DateTimeField()
    hinted_at = models.DateTimeField(null=True, blank=True)
    claimed_at = models.DateTimeField(null=True, blank=True)
    waits_for = models.CharField(max_length=40, blank=True, default="", db_default="")
    isolation = models.JSONField(null=True, blank=True)

    start_cursor = models.JSONField(null=True, blank=True)
    cursor = models.JSONField(null=True, blank=True)
    schema = models.TextField(blank=True)
    batches = models.PositiveIntegerField(default=0)
    read = models.BigIntegerField(default=0)
    written = models.BigIntegerField(default=0)
    set_aside = models.BigIntegerField(default=0)
    filtered = models.BigIntegerField(default=0)
    read_bytes = models.BigIntegerField(default=0)
    progress = models.FloatField(null=True, blank=True)
    seq = models.PositiveIntegerField(default=0)

    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    error_code = models.CharField(max_length=60, blank=True)
    error_message = models.TextField(blank=True)
    error_what_to_do = models.TextField(blank=True)

    objects = RunManager()

    class Meta:
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["workspace", "-id"], name="run_of_workspace"),
            models.Index(fields=["deployment", "-id"], name="run_of_deployment"),
            models.Index(fields=["workspace", "finished_at"], name="run_by_its_end"),
            models.Index(
                fields=["next_attempt_at"], condition=Q(state__in=["queued", "running"]), name="run_that_may_be_due"
            ),
            models.Index(fields=["state", "workspace", "next_attempt_at"], name="run_due_in_workspace"),
            models.Index(fields=["workspace", "-claimed_at"], name="run_by_its_claim"),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["deployment"],
                condition=Q(state__in=sorted(ACTIVE_STATES), parent__isnull=True),
                name="one_active_run_in_deployment",
            ),
            models.UniqueConstraint(fields=["deployment", "due_at"], name="one_run_a_due_time"),
            models.UniqueConstraint(fields=["deployment", "upstream"], name="one_run_an_upstream_run"),
            models.CheckConstraint(
                condition=Q(read=F("written") + F("set_aside") + F("filtered")), name="run_counts_add_up"
            ),
        ]

    def __str__(self) -> str:
        return str(self.id)[-8:]

    @property
    def is_active(self) -> bool:
        return self.state in ACTIVE_STATES

    @property
    def is_retrying(self) -> bool:
        """Whether it waits to go on: after a failed attempt, or for something that costs no attempt."""
        return self.state == RunState.QUEUED and (self.attempt > 0 or bool(self.error_code))


class RunBatch(models.Model):
    """One batch: prepared before it is sent, committed after the destination has it.

    `letters` are the dead letters that a redrive's batch sends, and `filtered_letters` those of them that the mapping
    left out, until it is committed.
    """

    id = models.BigAutoField(primary_key=True)
    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="run_batches")
    number = models.PositiveIntegerField()
    state = models.CharField(
        max_length=10, choices=[(s.value, s.value) for s in BatchState], default=BatchState.PREPARED
    )
    cursor = models.JSONField()
    read = models.PositiveIntegerField()
    written = models.PositiveIntegerField()
    set_aside = models.PositiveIntegerField()
    filtered = models.PositiveIntegerField()
    read_bytes = models.BigIntegerField(default=0)
    progress = models.FloatField(null=True, blank=True)
    letters = models.JSONField(default=list, blank=True)
    filtered_letters = models.JSONField(null=True, blank=True)
    prepared_at = models.DateTimeField(auto_now_add=True)
    committed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["number"]
        verbose_name_plural = "run batches"
        indexes = [
            # Each new run asks for what earlier ones left: few rows among all the batches that there ever were.
            models.Index(fields=["run"], condition=Q(state="prepared"), name="batch_that_is_prepared"),
        ]
        constraints = [models.UniqueConstraint(fields=["run", "number"], name="one_batch_a_number")]

    def __str__(self) -> str:
        return f"batch {self.number}"
