"""Writes down when a rule last acted, so that the effective policy can say so.

`note_action` is one statement. Whoever acts calls it last in its transaction, with the narrowest scope: the id of the
integration where a run is concerned, of the connector or the workspace where there is none.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from threading import Lock
from uuid import UUID

from django.db.models import Q

from accounts.errors import SignalboxError
from accounts.models import Workspace
from integrations.domain.policy import RULES
from integrations.domain.words import counted
from integrations.errors import ANSWER_TOO_LARGE, PAGE_LIMIT, TIMED_OUT, TOO_MANY_REJECTED
from integrations.models import Connector, Deployment, Integration, RuleAction, Run

_REMEMBERED_AT_MOST = 10_000
# Which rule stood behind an error; `error.detail["rule"]` is more exact where it is given.
_RULE_OF_CODE = {
    TOO_MANY_REJECTED: "tolerance.set_aside_percent",
    PAGE_LIMIT: "limit.pages",
    ANSWER_TOO_LARGE: "limit.answer_megabytes",
    TIMED_OUT: "timeout.read_seconds",
}


# By rule, those that shape what it does: they act when it acts.
_SHAPED_BY = {name: [each.name for each in RULES.values() if name in each.acts_with] for name in RULES}


@dataclass(frozen=True)
class LastAction:
    """When a rule last acted, what it did, and in which run, where there was one."""

    at: datetime
    what: str
    run_id: UUID | None


class Lately:
    """What this process did a moment ago; what comes for every request or tick need not be done each time."""

    def __init__(self) -> None:
        self._done: dict[tuple[str, UUID], float] = {}
        self._lock = Lock()

    def is_new(self, key: tuple[str, UUID], every_seconds: float) -> bool:
        """Whether it was not done within so many seconds; from now on it was."""
        now = time.monotonic()
        with self._lock:
            if now - self._done.get(key, -every_seconds) < every_seconds:
                return False
            if len(self._done) >= _REMEMBERED_AT_MOST:
                self._done.clear()
            self._done[key] = now
            return True


_lately = Lately()


def note_action(
    *, workspace_id: UUID, rule: str, scope_id: UUID, what: str, run_id: UUID | None = None, every_seconds: float = 0
) -> None:
    """Write down that a rule acted now; `every_seconds` bounds how often this process writes it for the scope."""
    if rule not in RULES:
        raise KeyError(f"there is no rule {rule}")
    if every_seconds and not _lately.is_new((rule, scope_id), every_seconds):
        return
    row = RuleAction(workspace_id=workspace_id, rule=rule, scope_id=scope_id, run_id=run_id, what=what[:200])
    RuleAction.objects.bulk_create(
        [row],
        update_conflicts=True,
        unique_fields=["workspace", "rule", "scope_id"],
        update_fields=["acted_at", "run", "what"],
    )


def note_in_run(run: Run, rule: str, what: str, *, every_seconds: float = 0) -> None:
    """Write down that a rule acted in a run."""
    note_action(
        workspace_id=run.workspace_id,
        rule=rule,
        scope_id=run.deployment.integration_id,
        what=what,
        run_id=run.pk,
        every_seconds=every_seconds,
    )


def note_failure(run: Run, error: SignalboxError) -> None:
    """Write down which rule ended the run, where one did; and that its attempts were used up, where they were."""
    rule = error.detail.get("rule") or _RULE_OF_CODE.get(error.code)
    if isinstance(rule, str):
        note_in_run(run, rule, f"ended the run: {error.message}")
    if error.detail.get("is_exhausted"):
        note_in_run(
            run, "retry.attempts", f"ended the run after {counted(run.attempt + 1, 'attempt')}: {error.message}"
        )


def note_wait(run: Run, error: SignalboxError, *, delay_seconds: float, decided_by: str) -> None:
    """Write down that the run waits before its next attempt; `decided_by` is the rule that made the wait that long."""
    rule = error.detail.get("rule") or _RULE_OF_CODE.get(error.code)
    if isinstance(rule, str):
        note_in_run(run, rule, f"stopped an attempt: {error.message}")
    note_in_run(run, "retry.attempts", f"let a run try again after: {error.message}")
    note_in_run(run, decided_by, f"made a run wait {delay_seconds:.1f} s before it tried again")


def last_actions(
    *, workspace: Workspace, connector: Connector | None = None, integration: Integration | None = None
) -> dict[str, LastAction]:
    """By rule, when it last acted within the integration, the connector, or anywhere in the workspace."""
    rows = RuleAction.objects.of(workspace)
    if integration is not None:
        rows = rows.filter(scope_id__in=[integration.pk, *([connector.pk] if connector else [])])
    elif connector is not None:
        rows = rows.filter(scope_id__in=[connector.pk, *_integrations_of(connector)])
    latest: dict[str, LastAction] = {}
    for row in rows.order_by("acted_at"):
        for name in (row.rule, *_SHAPED_BY.get(row.rule, ())):
            latest[name] = LastAction(row.acted_at, row.what, row.run_id)
    return latest


def _integrations_of(connector: Connector) -> Iterable[UUID]:
    uses = Q(version__source=connector) | Q(version__destination=connector)
    return Deployment.objects.filter(uses, workspace=connector.workspace_id).values_list("integration_id", flat=True)
