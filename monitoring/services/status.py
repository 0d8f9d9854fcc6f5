"""What the status page says: integrations, connectors, workers and last runs, each with its state and since when."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db.models import Max, Min, OuterRef, QuerySet, Subquery, Value
from django.db.models.functions import Coalesce

from accounts.models import Workspace
from integrations.domain.lifecycle import RunState
from integrations.models import Connector, Deployment, Run
from integrations.services.limits_overview import breakers_of
from monitoring.domain.health import PROCESS_SILENT_AFTER_SECONDS
from monitoring.models import Heartbeat
from monitoring.models.heartbeat import ProcessKind

LAST_RUNS = 12


@dataclass(frozen=True)
class Line:
    """One line of the page: a name, a state's key and word, and since when it holds."""

    name: str
    state: str
    word: str
    since: datetime | None


@dataclass(frozen=True)
class Status:
    """The whole page. `verdict` is ok, warn or bad, with the sentence above everything."""

    integrations: list[Line]
    connectors: list[Line]
    workers: list[Line]
    runs: list[Line]
    verdict: str
    sentence: str


# A run's state -> the page's state for its integration.
_OF_RUN = {
    RunState.SUCCEEDED: ("ok", "working"),
    RunState.FAILED: ("bad", "failing"),
    RunState.RUNNING: ("info", "running"),
    RunState.QUEUED: ("info", "queued"),
    RunState.PAUSED: ("warn", "paused"),
    RunState.CANCELLED: ("warn", "cancelled"),
}
_OF_CHECK = {"ok": ("ok", "healthy"), "failed": ("bad", "failing"), "unknown": ("idle", "not tested")}


def status_of(workspace: Workspace) -> Status:
    """Read the page in a fixed number of queries."""
    integrations = [_integration(deployment) for deployment in deployments_with_last_state(workspace)]
    connectors = _connectors(workspace)
    workers = [_process(kind) for kind in (ProcessKind.WORKER, ProcessKind.SCHEDULER)]
    recent = Run.objects.of(workspace).select_related("deployment__integration").order_by("-id")[:LAST_RUNS]
    runs = [_run(run) for run in recent]
    verdict, sentence = _verdict([*integrations, *connectors], workers)
    return Status(integrations, connectors, workers, runs, verdict, sentence)


def deployments_with_last_state(workspace: Workspace) -> QuerySet[Deployment]:
    """Each deployment with the run that ended last, its state, and when the first of the runs that agree with it ended.

    They are `last_id`, `last_state` and `since`; `last_that_differed` is the run before those that agree.
    """
    ended = Run.objects.filter(deployment=OuterRef("pk"), parent=None, finished_at__isnull=False).order_by("-id")
    differed = ended.exclude(state=OuterRef("last_state"))
    agreeing = ended.filter(id__gt=Coalesce(OuterRef("last_that_differed"), Value(UUID(int=0)))).order_by("id")
    return (
        Deployment.objects.of(workspace)
        .select_related("integration", "staleness")
        .annotate(last_state=Subquery(ended.values("state")[:1]), last_id=Subquery(ended.values("id")[:1]))
        .annotate(last_that_differed=Subquery(differed.values("id")[:1]))
        .annotate(since=Subquery(agreeing.values("finished_at")[:1]))
        .order_by("integration__name")
    )


def _connectors(workspace: Workspace) -> list[Line]:
    """By the last test, unless the circuit breaker of its host is open: then nothing goes there."""
    found = list(Connector.objects.of(workspace))
    opened = breakers_of(workspace, found)
    lines = []
    for connector in found:
        breaker = opened.get(connector.pk)
        if breaker:
            lines.append(Line(connector.name, "bad", "circuit open", breaker.since))
        else:
            lines.append(Line(connector.name, *_OF_CHECK[connector.check_state], connector.check_state_since))
    return lines


def _integration(deployment: Deployment) -> Line:
    name = deployment.integration.name
    if not deployment.enabled:
        return Line(name, "idle", "switched off", deployment.updated_at)
    if not deployment.is_approved:
        return Line(name, "idle", "waits for approval", deployment.created_at)
    if deployment.last_state is None:  # type: ignore[attr-defined]  # annotated above
        return Line(name, "idle", "never ran", deployment.created_at)
    state, word = _OF_RUN[RunState(deployment.last_state)]  # type: ignore[attr-defined]  # annotated above
    staleness = getattr(deployment, "staleness", None)
    if staleness and state == "ok":
        return Line(name, "warn", "stale", staleness.since)
    return Line(name, state, word, deployment.since)  # type: ignore[attr-defined]  # annotated above


def _process(kind: ProcessKind) -> Line:
    alive = Heartbeat.objects.filter(kind=kind).seen_within(PROCESS_SILENT_AFTER_SECONDS)
    found = alive.aggregate(since=Min("started_at"))["since"]
    if found:
        return Line(kind.label, "ok", f"{alive.count()} at work", found)
    return Line(kind.label, "bad", "none seen", Heartbeat.objects.filter(kind=kind).aggregate(at=Max("seen_at"))["at"])


def _run(run: Run) -> Line:
    state, _ = _OF_RUN[RunState(run.state)]
    word = "with warnings" if run.has_warnings and run.state == RunState.SUCCEEDED else run.state
    return Line(
        run.deployment.integration.name, "warn" if run.has_warnings else state, word, run.finished_at or run.created_at
    )


def _verdict(lines: list[Line], workers: list[Line]) -> tuple[str, str]:
    silent = [line.name for line in workers if line.state == "bad"]
    if silent:
        return "bad", f"Nothing moves: no {' and no '.join(silent)} is at work."
    failing = [line.name for line in lines if line.state == "bad"]
    if failing:
        return "bad", f"{_listed(failing)} {'is' if len(failing) == 1 else 'are'} failing."
    stale = [line.name for line in lines if line.word == "stale"]
    if stale:
        return "warn", f"{_listed(stale)} {'is' if len(stale) == 1 else 'are'} stale: the last success is too old."
    return "ok", "Everything works."


def _listed(names: list[str]) -> str:
    """“a”, “a and b”, “a, b and 3 more”."""
    if len(names) <= 2:
        return " and ".join(names)
    return f"{names[0]}, {names[1]} and {len(names) - 2} more"
