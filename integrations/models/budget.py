"""What integrations share when they call the same system: budgets with their slots, and circuit breakers."""

from __future__ import annotations

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

from integrations.domain.circuit_breaker import BreakerState
from integrations.models.base import WorkspaceManager, WorkspaceModel, new_id
from integrations.models.credential import Credential
from integrations.models.run import Run


class Budget(WorkspaceModel):
    """What all calls with a credential share; without a credential, all calls to a host and port.

    How much that is stands in the policies; here stands what is spent of it, and a pause that was asked for.
    """

    credential = models.ForeignKey(Credential, null=True, blank=True, on_delete=models.CASCADE, related_name="budgets")
    host = models.CharField(max_length=300, blank=True)
    spent_until = models.DateTimeField(null=True, blank=True)
    held_until = models.DateTimeField(null=True, blank=True)
    hold_seconds = models.FloatField(default=0)
    refusals = models.PositiveIntegerField(default=0)
    hold_reason = models.CharField(max_length=500, blank=True)

    objects = WorkspaceManager["Budget"]()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["workspace", "credential"],
                condition=Q(credential__isnull=False),
                name="one_budget_of_a_credential",
            ),
            models.UniqueConstraint(
                fields=["workspace", "host"], condition=Q(credential__isnull=True), name="one_budget_of_a_host"
            ),
        ]

    def __str__(self) -> str:
        return self.credential.name if self.credential else self.host


class SlotQuerySet(models.QuerySet["BudgetSlot"]):
    """Who holds or waits for a slot, and still lives."""

    def live(self) -> SlotQuerySet:
        """Those whose time has not passed, and whose run, where a run holds it, is still held by the same claim."""
        held_by_run = Q(
            run__isnull=False, is_waiting=False, run__fence=F("fence"), run__state="running", run__lease_until__gt=Now()
        )
        return self.filter(held_by_run | Q(expires_at__gt=Now()))


class BudgetSlot(models.Model):
    """A place among those that may work at once. A run's place ends with its claim, so a killed worker's comes back.

    `expires_at` bounds what no run holds: the work that a person waits for, and a place in the line.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    budget = models.ForeignKey(Budget, on_delete=models.CASCADE, related_name="slots")
    run = models.ForeignKey(Run, null=True, blank=True, on_delete=models.CASCADE, related_name="+")
    fence = models.BigIntegerField(default=0)
    is_waiting = models.BooleanField(default=False)
    since = models.DateTimeField(db_default=Now())
    expires_at = models.DateTimeField(null=True, blank=True)

    objects = SlotQuerySet.as_manager()

    class Meta:
        ordering = ["since", "id"]
        indexes = [models.Index(fields=["budget", "since"], name="slot_of_budget")]
        constraints = [
            models.UniqueConstraint(
                fields=["budget", "run"], condition=Q(is_waiting=True), name="one_place_in_the_line_a_run"
            )
        ]

    def __str__(self) -> str:
        return f"slot {self.pk}"


class Breaker(WorkspaceModel):
    """The circuit breaker of a host and port, for every connector that calls it.

    `parts` are the calls and failures of the window, `last_failures` the latest ones in words. Without `probe_at` an
    open one was opened by hand.
    """

    host = models.CharField(max_length=300)
    state = models.CharField(
        max_length=10, choices=[(state.value, state.value) for state in BreakerState], default=BreakerState.CLOSED
    )
    since = models.DateTimeField(db_default=Now())
    parts = models.JSONField(default=list)
    probe_at = models.DateTimeField(null=True, blank=True)
    probe_run = models.ForeignKey(Run, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    open_seconds = models.FloatField(default=0)
    reason = models.CharField(max_length=300, blank=True)
    last_failures = models.JSONField(default=list)

    objects = WorkspaceManager["Breaker"]()

    class Meta:
        ordering = ["host"]
        constraints = [models.UniqueConstraint(fields=["workspace", "host"], name="one_breaker_of_a_host")]

    def __str__(self) -> str:
        return self.host

    @property
    def is_by_hand(self) -> bool:
        return self.state == BreakerState.OPEN and self.probe_at is None
