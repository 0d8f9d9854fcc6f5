"""Pages: one integration: its flow and figures, its mapping, and its effective policy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.db.models import Count, OuterRef, Subquery
from django.db.models.functions import Coalesce
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils import timezone
from django.views.decorators.http import require_GET

from accounts.permissions import workspace_view
from accounts.requests import WorkspaceRequest
from integrations.connectors import registry
from integrations.connectors.base import PluginSpec
from integrations.domain.drift import DriftState
from integrations.domain.guarantee import EXPLANATIONS
from integrations.domain.lifecycle import DeadLetterState, RunState
from integrations.domain.misfire import starts
from integrations.forms.integration_rules import rows_of_mapping
from integrations.models import Connector, DeadLetter, Deployment, IntegrationVersion, Run, Schedule, SchemaChange
from integrations.services.approval_holds import held_of
from integrations.services.chains import chains_of
from integrations.services.clock import database_now
from integrations.services.freshness import error_budget
from integrations.services.guarantees import guarantee_of
from integrations.services.maintenance import hold_under
from integrations.services.policy_actions import last_actions
from integrations.services.policy_ends import policy_of_deployment
from integrations.services.schedules import plan_of
from integrations.views.integrations_words import schedule_words
from integrations.views.policies_ends import ends_sections, telling_ends

# The rules alone that a policy has a hand in, or that acted.
FEW = "set"
RECENT = 20
SHOWN = 8
TIMES = 5
_HIDDEN = ("schema", "cursor", "start_cursor")


@dataclass(frozen=True)
class End:
    """One end of the flow, drawn: the connector with its kind, and the stream."""

    connector: Connector
    spec: PluginSpec
    note: str


@dataclass(frozen=True)
class Figures:
    """What the last runs say."""

    last: Run | None
    success_percent: float | None
    judged: int
    written: int
    open_letters: int


@require_GET
@workspace_view("integration.read")
def integration_detail(request: WorkspaceRequest, integration_id: object) -> HttpResponse:
    """The flow drawn, figures, recent runs and the schedule; the live part alone for htmx."""
    deployment = deployment_of(request, integration_id)
    runs = list(
        Run.objects.of(request.workspace)
        .filter(deployment=deployment)
        .select_related("requested_by", "version")
        .defer(*_HIDDEN, "version__mapping")[:RECENT]
    )
    context = {
        **_context(deployment, "overview"),
        **_flow_context(deployment, runs),
        "bars": list(reversed(runs)),
        "runs": runs[:SHOWN],
        "has_more": len(runs) > SHOWN,
        "figures": _figures(deployment, runs),
        **_targets(deployment),
    }
    if request.htmx and not request.htmx.history_restore_request:
        return render(request, "integrations/_integration_overview.html", context)
    return render(request, "integrations/integration_detail.html", context)


@require_GET
@workspace_view("integration.read")
def integration_mapping(request: WorkspaceRequest, integration_id: object) -> HttpResponse:
    """The mapping of the active version, or of `?version=`, to read."""
    deployment = deployment_of(request, integration_id)
    asked = request.GET.get("version", "")
    version = version_of(deployment, int(asked[:9])) if asked.isdecimal() else deployment.version
    context = {
        **_context(deployment, "mapping"),
        "version": version,
        "rows": rows_of_mapping(version.mapping, version.key),
        "filter": version.mapping.get("filter", ""),
    }
    return render(request, "integrations/integration_mapping.html", context)


@require_GET
@workspace_view("integration.read")
def integration_policy(request: WorkspaceRequest, integration_id: object) -> HttpResponse:
    """What holds when it reads and when it writes, each value with the level that it came from."""
    deployment = deployment_of(request, integration_id)
    context = _context(deployment, "policy")
    if request.access.allows("policy.read"):
        last = last_actions(workspace=request.workspace, integration=deployment.integration)
        sections = ends_sections(policy_of_deployment(deployment), last)
        few = telling_ends(sections)
        is_few = request.GET.get("rules") == FEW
        context["sections"] = few if is_few else sections
        context["is_few"] = is_few
        context["few_count"] = sum(len(rows) for _, rows in few)
        context["rule_count"] = sum(len(rows) for _, rows in sections)
    return render(request, "integrations/integration_policy.html", context)


def deployment_of(request: WorkspaceRequest, integration_id: object) -> Deployment:
    """The integration's deployment in the workspace, with what every page of it shows; 404 where there is none."""
    rows = Deployment.objects.of(request.workspace).select_related(
        "workspace", "integration__workspace", "integration__policy", "integration__created_by",
        "version__source__policy", "version__destination__policy", "version__created_by", "schedule", "staleness",
    )  # fmt: skip
    return get_object_or_404(rows.annotate(open_changes=_open_changes()), integration_id=integration_id)


def _open_changes() -> Coalesce:
    """How many changes of its columns nobody has seen; its tab says so on every page."""
    changes = SchemaChange.objects.filter(deployment=OuterRef("pk"), state=DriftState.OPEN).order_by()
    return Coalesce(Subquery(changes.values("deployment").annotate(count=Count("pk")).values("count")), 0)


def version_of(deployment: Deployment, number: int) -> IntegrationVersion:
    """A version by its number; 404 where there is none."""
    rows = IntegrationVersion.objects.filter(integration=deployment.integration_id)
    return get_object_or_404(rows.select_related("source", "destination", "created_by"), number=number)


def schedule_of(deployment: Deployment) -> Schedule | None:
    """Its schedule, if it has one; `select_related` has read it."""
    return getattr(deployment, "schedule", None)


def _context(deployment: Deployment, tab: str) -> dict[str, Any]:
    return {
        "deployment": deployment,
        "integration": deployment.integration,
        "tab": tab,
        "version": deployment.version,
        "held": held_of(deployment),
    }


def _flow_context(deployment: Deployment, runs: list[Run]) -> dict[str, Any]:
    version, schedule = deployment.version, schedule_of(deployment)
    reads = f"{version.source_stream} · {version.read_mode}"
    if version.read_mode == "incremental":
        reads += f" by {version.cursor_field or 'its own cursor'}"
    guarantee = guarantee_of(version)
    is_due = schedule is not None and schedule.enabled and deployment.enabled and deployment.is_approved
    return {
        "source": _end(version.source, reads),
        "destination": _end(version.destination, f"{version.destination_stream} · {version.write_mode}"),
        "fields": len(version.mapping.get("fields", ())),
        "filter": version.mapping.get("filter", ""),
        "guarantee": guarantee.value.replace("_", " "),
        "guarantee_words": EXPLANATIONS[guarantee],
        "active_run": next((run for run in runs if run.is_active), None),
        "schedule": schedule,
        "schedule_words": schedule_words(schedule),
        "due": starts(plan_of(schedule), database_now(), TIMES) if schedule and is_due else [],
        **chains_of(deployment),
    }


def _end(connector: Connector, note: str) -> End:
    return End(connector, registry.get(connector.plugin).spec, note)


def _figures(deployment: Deployment, runs: list[Run]) -> Figures:
    judged = [run for run in runs if run.state in (RunState.SUCCEEDED, RunState.FAILED)]
    good = sum(run.state == RunState.SUCCEEDED for run in judged)
    letters = DeadLetter.objects.of(deployment.workspace).filter(
        state=DeadLetterState.OPEN, integration=deployment.integration_id
    )
    return Figures(
        last=runs[0] if runs else None,
        success_percent=round(100 * good / len(judged), 1) if judged else None,
        judged=len(judged),
        written=sum(run.written for run in runs),
        open_letters=letters.count(),
    )


def _targets(deployment: Deployment) -> dict[str, Any]:
    """The error budget and the maintenance window, where its policy has them."""
    flow, now = policy_of_deployment(deployment), timezone.now()
    return {"budget": error_budget(deployment, flow.whole, now), "maintenance": hold_under(flow, now)}
