"""Page: the overview: figures, the curve of runs, connectors, and the newest runs."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponse, JsonResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_GET

from accounts.permissions import workspace_view
from accounts.requests import WorkspaceRequest
from integrations.domain.lifecycle import RunState
from integrations.domain.windows import DEFAULT_WINDOW, WINDOWS, Window
from integrations.forms.run import RETRYING, in_state
from integrations.models import Connector, Credential, Freshness, Integration, Run
from integrations.models.connector import CheckState
from integrations.services.limits_overview import breakers_of
from integrations.services.overview import curve_of
from integrations.views.overview_figures import chart_of, figures_context
from integrations.views.runs_rows import listed_runs, row_of

RECENT = 10
CONNECTORS = 6
# Failing ones first: trouble is found in one glance.
_ORDER = {CheckState.FAILED: 0, CheckState.UNKNOWN: 1, CheckState.OK: 2}


@require_GET
@workspace_view("run.read")
def overview(request: WorkspaceRequest) -> HttpResponse:
    """The whole page; one of its parts for the live page."""
    part = _PARTS.get(request.htmx.target or "")
    if part:
        template, context_of = part
        return render(request, template, context_of(request))
    steps = _first_steps(request)
    if steps:
        return render(request, "integrations/overview_first.html", {"steps": steps})
    context: dict[str, Any] = {"windows": list(WINDOWS.values())}
    for _, context_of in _PARTS.values():
        context |= context_of(request)
    return render(request, "integrations/overview.html", context)


@require_GET
@workspace_view("run.read")
def overview_curve(request: WorkspaceRequest) -> HttpResponse:
    """The curve of the window, for the live chart."""
    return JsonResponse(chart_of(curve_of(request.workspace, _window(request), timezone.now())))


def _window(request: WorkspaceRequest) -> Window:
    return WINDOWS.get(request.GET.get("window", ""), WINDOWS[DEFAULT_WINDOW])


def _figures(request: WorkspaceRequest) -> dict[str, Any]:
    stale = Freshness.objects.of(request.workspace).select_related("deployment__integration").order_by("since")
    return {**figures_context(request.workspace, _window(request), timezone.now()), "stale": list(stale)}


def _connectors(request: WorkspaceRequest) -> dict[str, Any]:
    rows = list(Connector.objects.of(request.workspace))
    opened = breakers_of(request.workspace, rows)
    found = sorted(rows, key=lambda each: (each.pk not in opened, _ORDER[CheckState(each.check_state)]))
    shown = [(connector, opened.get(connector.pk)) for connector in found[:CONNECTORS]]
    return {"connectors": shown, "connector_count": len(found)}


def _recent(request: WorkspaceRequest) -> dict[str, Any]:
    now = timezone.now()
    asked = request.GET.get("state", "")
    chosen = asked if asked in (RunState.FAILED, RETRYING) else ""
    runs = listed_runs(request.workspace)
    shown = in_state(runs, chosen) if chosen else runs
    all_runs = Run.objects.of(request.workspace)
    return {
        "window": _window(request),
        "chosen": chosen,
        "rows": [row_of(run, now) for run in shown.order_by("-id")[:RECENT]],
        "failed_count": in_state(all_runs, RunState.FAILED).count(),
        "retrying_count": in_state(all_runs, RETRYING).count(),
    }


def _first_steps(request: WorkspaceRequest) -> list[bool]:
    """Which of the three first steps a fresh workspace has taken; empty once it has an integration."""
    if Integration.objects.of(request.workspace).exists():
        return []
    kinds = (Connector, Credential)
    return [*(kind.objects.of(request.workspace).exists() for kind in kinds), False]


_PARTS = {
    "figures": ("integrations/_overview_figures.html", _figures),
    "connectors": ("integrations/_overview_connectors.html", _connectors),
    "recent": ("integrations/_overview_recent.html", _recent),
}
