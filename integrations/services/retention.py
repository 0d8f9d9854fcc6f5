"""Deletes what the policies no longer keep: settled dead letters, ended runs, and lines of the live log.

Small batches, each in a transaction of its own, and a bounded number of them in a sweep; what is left over waits for
the next one. Any number of schedulers may sweep. What was removed, and what was due and had to stay, is audited.
"""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta
from typing import TypeVar
from uuid import UUID

from django.db import transaction
from django.db.models import Exists, Model, OuterRef, Q, QuerySet

from accounts import audit
from accounts.models import Workspace
from accounts.request_context import Actor, acting_as
from integrations.domain.lifecycle import ACTIVE_STATES, DeadLetterState, RunState
from integrations.domain.policy import EffectivePolicy
from integrations.domain.words import counted
from integrations.models import DeadLetter, Deployment, Event, Policy, Run, UncertainBatch
from integrations.services.clock import database_now
from integrations.services.policy_actions import note_action
from integrations.services.policy_ends import POLICIES, policy_of_version
from integrations.services.policy_places import default_of, laid_over

M = TypeVar("M", bound=Model)
BATCH_RUNS = 100
BATCH_ROWS = 1_000
BATCHES_AT_MOST = 50
_WITH_LETTERS = Exists(DeadLetter.objects.filter(Q(run=OuterRef("pk")) | Q(run__parent=OuterRef("pk"))))
_WITH_DOUBTS = Exists(UncertainBatch.objects.filter(Q(run=OuterRef("pk")) | Q(run__parent=OuterRef("pk")), verdict=""))
_SETTLED = (DeadLetterState.REDRIVEN.value, DeadLetterState.DISCARDED.value, DeadLetterState.REPEATED.value)


def sweep(now: datetime | None = None) -> int:
    """Delete what is too old in every workspace; return how many rows of the first rank went."""
    moment = now or database_now()
    with acting_as(Actor(system="scheduler")):
        return sum(_sweep_workspace(workspace, moment) for workspace in Workspace.objects.all())


def _sweep_workspace(workspace: Workspace, now: datetime) -> int:
    default = default_of(workspace)
    removed: Counter[str] = Counter()
    for deployment in Deployment.objects.of(workspace).select_related(*POLICIES, "workspace"):
        removed.update(_sweep_deployment(deployment, default, now))
    removed.update(_sweep_events(workspace, laid_over(default, None), now))
    gone = sum(count for name, count in removed.items() if not name.startswith("kept"))
    if gone:
        with transaction.atomic():
            audit.record(workspace=workspace, action="retention.swept", object=workspace, after=dict(removed))
    return gone


def _sweep_deployment(deployment: Deployment, default: Policy | None, now: datetime) -> Counter[str]:
    policy = policy_of_version(deployment.version, deployment.integration, default).whole
    removed: Counter[str] = Counter()
    letters = DeadLetter.objects.filter(
        integration=deployment.integration_id, state__in=_SETTLED, resolved_at__lt=_before(policy, "dead_letters", now)
    )
    removed["dead_letters"] = _delete(letters, BATCH_ROWS)
    runs = old_runs(deployment, _before(policy, "runs", now))
    removed["runs"] = _delete(runs.exclude(_WITH_LETTERS).exclude(_WITH_DOUBTS), BATCH_RUNS)
    removed["kept_for_dead_letters"] = runs.filter(_WITH_LETTERS).count()
    removed["kept_for_uncertain_batches"] = runs.exclude(_WITH_LETTERS).filter(_WITH_DOUBTS).count()
    for name in ("dead_letters", "runs"):
        if removed[name]:
            words = f"deleted {counted(removed[name], name.removesuffix('s').replace('_', ' '))}"
            _note(deployment.workspace_id, f"retention.{name}_days", deployment.integration_id, words)
    return +removed


def old_runs(deployment: Deployment, before: datetime) -> QuerySet[Run]:
    """Runs that ended before a moment, without the last one and the last success."""
    whole = Run.objects.filter(deployment=deployment, parent__isnull=True)
    kept = [
        whole.order_by("-id").values_list("id", flat=True).first(),
        whole.filter(state=RunState.SUCCEEDED).order_by("-id").values_list("id", flat=True).first(),
    ]
    ended = whole.filter(finished_at__lt=before).exclude(state__in=ACTIVE_STATES)
    return ended.exclude(pk__in=[each for each in kept if each])


def _sweep_events(workspace: Workspace, policy: EffectivePolicy, now: datetime) -> Counter[str]:
    events = Event.objects.filter(workspace=workspace, at__lt=_before(policy, "events", now))
    gone = _delete(events, BATCH_ROWS)
    if gone:
        _note(workspace.pk, "retention.events_days", workspace.pk, f"deleted {counted(gone, 'event')}")
    return Counter({"events": gone}) if gone else Counter()


def _before(policy: EffectivePolicy, what: str, now: datetime) -> datetime:
    return now - timedelta(days=int(policy.value(f"retention.{what}_days")))


def _delete(rows: QuerySet[M], size: int) -> int:
    gone = 0
    for _ in range(BATCHES_AT_MOST):
        ids = list(rows.order_by("pk").values_list("pk", flat=True)[:size])
        if not ids:
            break
        with transaction.atomic():
            _, by_model = rows.order_by().filter(Q(pk__in=ids)).delete()
        gone += by_model.get(f"integrations.{rows.model.__name__}", 0)
    return gone


def _note(workspace_id: UUID, rule: str, scope_id: UUID, what: str) -> None:
    note_action(workspace_id=workspace_id, rule=rule, scope_id=scope_id, what=what)
