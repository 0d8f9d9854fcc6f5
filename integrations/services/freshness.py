"""Judges freshness and service levels by the policies, and tells each change once, however many schedulers judge."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Count, F, OuterRef, Q, Subquery

from accounts.models import Workspace
from integrations import events
from integrations.domain.freshness import stale_since
from integrations.domain.lifecycle import RunState
from integrations.domain.policy import EffectivePolicy
from integrations.domain.slo import WINDOW_DAYS, ErrorBudget
from integrations.domain.words import counted
from integrations.models import Deployment, Freshness, Run
from integrations.services.clock import database_now
from integrations.services.policy_actions import Lately, note_action
from integrations.services.policy_ends import POLICIES, policy_of_version
from integrations.services.policy_places import default_of

LONGEST = "freshness.longest_minutes"
TARGET = "slo.success_percent"
# Thirty days of runs are counted for a budget, so that is not done at each judgement.
BUDGET_SECONDS = 300

_counted = Lately()


@dataclass(frozen=True)
class _Judged:
    deployment: Deployment
    policy: EffectivePolicy
    last_success: datetime | None
    # The bound that it was found stale by; None where it was fresh when the rows were read.
    stale_by_minutes: int | None


def judge_freshness() -> int:
    """Compare every deployment with its policy; return how many became stale or fresh again."""
    now = database_now()
    return sum(_judge(each, now) for each in _all())


def error_budget(deployment: Deployment, policy: EffectivePolicy, now: datetime) -> ErrorBudget | None:
    """What is left of the policy's success target over the last 30 days; None without a target."""
    target = float(policy.value(TARGET))
    if not target:
        return None
    ended = Run.objects.filter(
        deployment=deployment, parent=None, finished_at__gt=now - timedelta(days=WINDOW_DAYS), finished_at__lte=now
    )
    counts = ended.aggregate(
        succeeded=Count("id", filter=Q(state=RunState.SUCCEEDED)), failed=Count("id", filter=Q(state=RunState.FAILED))
    )
    return ErrorBudget(target, counts["succeeded"], counts["failed"])


def _all() -> Iterator[_Judged]:
    succeeded = Run.objects.filter(deployment=OuterRef("pk"), parent=None, state=RunState.SUCCEEDED).order_by("-id")
    for workspace in Workspace.objects.all():
        default = default_of(workspace)
        rows = (
            Deployment.objects.of(workspace)
            .select_related(*POLICIES, "workspace")
            .annotate(last_success=Subquery(succeeded.values("finished_at")[:1]), found=F("staleness__longest_minutes"))
        )
        for deployment in rows.defer("version__mapping", "cursor"):
            policy = policy_of_version(deployment.version, deployment.integration, default).whole
            yield _Judged(
                deployment, policy, getattr(deployment, "last_success", None), getattr(deployment, "found", None)
            )


def _judge(judged: _Judged, now: datetime) -> bool:
    deployment, longest = judged.deployment, int(judged.policy.value(LONGEST))
    since = stale_since(
        last_success=judged.last_success,
        created_at=deployment.created_at,
        longest_minutes=longest if deployment.enabled and deployment.is_approved else 0,
        now=now,
    )
    _note_budget(judged, now)
    if since is None:
        return judged.stale_by_minutes is not None and _became_fresh(deployment)
    if judged.stale_by_minutes is None:
        return _became_stale(judged, since, longest)
    if judged.stale_by_minutes != longest:
        # Stale by the changed policy too: no news, but the page names the bound.
        Freshness.objects.filter(deployment=deployment).update(longest_minutes=longest)
    return False


def _became_fresh(deployment: Deployment) -> bool:
    with transaction.atomic():
        gone, _ = Freshness.objects.filter(deployment=deployment).delete()
        if gone:
            _tell(deployment, "integration.fresh", "Fresh again.", "info")
    return bool(gone)


def _became_stale(judged: _Judged, since: datetime, longest: int) -> bool:
    deployment = judged.deployment
    with transaction.atomic():
        row, made = Freshness.objects.get_or_create(
            deployment=deployment,
            defaults={
                "workspace": deployment.workspace,
                "since": since,
                "last_success_at": judged.last_success,
                "longest_minutes": longest,
            },
        )
        if made:
            _tell(deployment, "integration.stale", f"Stale. {row.words}", "warning")
            _note(deployment, LONGEST, "found the integration stale")
    return made


def _note_budget(judged: _Judged, now: datetime) -> None:
    if not judged.policy.value(TARGET) or not _counted.is_new((TARGET, judged.deployment.pk), BUDGET_SECONDS):
        return
    budget = error_budget(judged.deployment, judged.policy, now)
    if budget and not budget.is_met:
        words = f"found the error budget spent: {budget.failed:,} of {counted(budget.judged, 'run')} failed"
        _note(judged.deployment, TARGET, words, every_seconds=3600)


def _tell(deployment: Deployment, kind: str, message: str, level: str) -> None:
    events.append(
        workspace=deployment.workspace,
        topic="integration",
        object_id=deployment.integration_id,
        kind=kind,
        message=message,
        level=level,
    )


def _note(deployment: Deployment, rule: str, what: str, *, every_seconds: float = 0) -> None:
    note_action(
        workspace_id=deployment.workspace_id,
        rule=rule,
        scope_id=deployment.integration_id,
        what=what,
        every_seconds=every_seconds,
    )
