"""Gathers what a simulation needs of the last 30 days, and tries a policy on it before it is saved."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db.models import QuerySet

from integrations.domain.lifecycle import RunState
from integrations.domain.mapping import Mapping
from integrations.domain.policy import EffectivePolicy, FlowPolicy
from integrations.domain.simulation import WINDOW_DAYS, Finding, RunFacts, Subject, simulate
from integrations.models import Deployment, Event, Run
from integrations.models.integration import ReadMode
from integrations.services.policy_ends import POLICIES, policy_of_version
from integrations.services.policy_places import Proposal, default_of, proposed_for
from integrations.services.retention import old_runs
from integrations.services.verdict import WHOLE_TRIGGERS

RUNS_AT_MOST = 5_000
_FIELDS = (
    "id", "deployment_id", "state", "trigger", "error_code", "created_at", "due_at", "started_at", "finished_at",
    "read", "written", "set_aside", "attempt", "claims", "continues_id", "version__number", "version__read_mode",
)  # fmt: skip


@dataclass(frozen=True)
class Simulation:
    """The findings, and what they were made of: since when, how many runs of how many integrations, whether all."""

    since: datetime
    runs: int
    integrations: int
    is_cut: bool
    findings: tuple[Finding, ...]


def simulate_policy(*, proposal: Proposal, now: datetime) -> Simulation:
    """What the proposed policy would have made different in the runs of the last 30 days that it would hold for."""
    since = now - timedelta(days=WINDOW_DAYS)
    changed = [each for each in _changes(proposal) if each.rules]
    rows = _rows([each.deployment.pk for each in changed], since)
    facts = _facts(rows)
    subjects = [
        Subject(
            each.deployment.integration.name,
            each.deployment.integration_id,
            each.before,
            each.after,
            facts[each.deployment.pk],
            Mapping.from_json(each.deployment.version.mapping),
            each.rules,
        )
        for each in changed
    ]
    findings = [_with_deletions(finding, changed, now) for finding in simulate(subjects, now)]
    return Simulation(since, len(rows), len(changed), len(rows) >= RUNS_AT_MOST, tuple(findings))


@dataclass(frozen=True)
class _Change:
    """A deployment with what holds for its runs now, what would, and the rules that differ at an end."""

    deployment: Deployment
    before: EffectivePolicy
    after: EffectivePolicy
    rules: frozenset[str]


def _changes(proposal: Proposal) -> Iterable[_Change]:
    default = default_of(proposal.workspace)
    deployments = Deployment.objects.of(proposal.workspace).select_related(*POLICIES)
    for each in deployments.order_by("integration__name"):
        version, integration = each.version, each.integration
        before = policy_of_version(version, integration, default)
        after = FlowPolicy(
            *(proposed_for(proposal, default, end, integration) for end in (version.source, version.destination))
        )
        yield _Change(each, before.whole, after.whole, before.changed_to(after))


def _rows(deployments: list[UUID], since: datetime) -> list[dict[str, Any]]:
    """The newest runs of these deployments, the oldest first; parts of a run are counted in it."""
    runs: QuerySet[Run] = Run.objects.filter(deployment__in=deployments, parent=None, created_at__gte=since)
    return list(runs.order_by("-id").values(*_FIELDS)[:RUNS_AT_MOST])[::-1]


def _facts(rows: list[dict[str, Any]]) -> dict[UUID, list[RunFacts]]:
    waits = _waits([row["id"] for row in rows if row["claims"] > 1])
    facts: dict[UUID, list[RunFacts]] = defaultdict(list)
    for row in rows:
        told = waits.get(row["id"], [])
        attempts = [attempt for attempt, _ in told]
        # A failed run still says at which attempt it gave up; the event log may be older than its retention.
        failed_at = row["attempt"] + 1 if row["state"] == RunState.FAILED else 1
        facts[row["deployment_id"]].append(
            RunFacts(
                **{name: row[name] for name in _FIELDS if name in RunFacts.__dataclass_fields__},
                tries=max([failed_at, *(attempt + 1 for attempt in attempts)]),
                waits=tuple(seconds for _, seconds in told),
                version=row["version__number"],
                is_whole=row["version__read_mode"] == ReadMode.FULL
                and row["trigger"] in WHOLE_TRIGGERS
                and row["continues_id"] is None,
            )
        )
    return facts


def _waits(run_ids: list[UUID]) -> dict[UUID, list[tuple[int, float]]]:
    """By run, the attempts that failed and the seconds that it waited after each."""
    found: dict[UUID, list[tuple[int, float]]] = defaultdict(list)
    told = Event.objects.filter(run_id__in=run_ids, kind="run.retrying")
    for run_id, data in told.order_by("run_id", "seq").values_list("run_id", "data"):
        if run_id:
            found[run_id].append((int(data.get("attempt", 0)), float(data.get("delay_seconds", 0))))
    return found


def _with_deletions(finding: Finding, changed: list[_Change], now: datetime) -> Finding:
    """Of retention, how much would go with the next sweep: that is counted, not simulated."""
    if finding.rule != "retention.runs_days":
        return finding
    notes = []
    for each in changed:
        days = [int(policy.value(finding.rule)) for policy in (each.before, each.after)]
        was, would = (old_runs(each.deployment, now - timedelta(days=most)).count() for most in days)
        if would > was:
            notes.append(
                f"{each.deployment.integration.name}: {would - was:,} more runs would be deleted by the next sweep"
            )
    return Finding(finding.rule, notes=tuple(notes), unknown="" if notes else finding.unknown)
