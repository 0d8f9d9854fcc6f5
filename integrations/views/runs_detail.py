"""Pages: one run, and its live head."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.db.models import Count, Q, Sum
from django.http import HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, render
from django.utils import timezone
from django.views.decorators.http import require_GET

from accounts.permissions import workspace_view
from accounts.requests import WorkspaceRequest
from integrations.domain.guarantee import EXPLANATIONS
from integrations.domain.lifecycle import RunState
from integrations.models import Event, Run, UncertainBatch
from integrations.services.concurrency import wait_of
from integrations.services.guarantees import guarantee_of
from integrations.views.runs_partitions import partitions_context
from integrations.views.runs_parts import batches_context, cursor_text, log_context
from integrations.views.runs_rows import took
from integrations.views.runs_speed import Pace, curve_of_run, left_words, pace_of
from integrations.views.runs_words import can_continue, verdict_of

_HEAVY = ("schema", "start_cursor", "version__mapping", "deployment__cursor")
_WARNINGS_SHOWN = 5


@require_GET
@workspace_view("run.read")
def run_detail(request: WorkspaceRequest, run_id: UUID) -> HttpResponse:
    """All of a run; its head or its facts alone for the live page."""
    run = run_of(request, run_id)
    if request.htmx.target == "run-head":
        return render(request, "integrations/_run_head.html", _head(request, run))
    if request.htmx.target == "run-facts":
        return render(request, "integrations/_run_facts.html", _facts(run))
    context = {
        **_head(request, run),
        **_facts(run),
        **batches_context(run, before=""),
        **partitions_context(run),
        "chart": curve_of_run(run),
    }
    if request.access.allows("run.logs.read"):
        context |= log_context(run)
    return render(request, "integrations/run_detail.html", context)


@require_GET
@workspace_view("run.read")
def run_curve(request: WorkspaceRequest, run_id: UUID) -> HttpResponse:
    """The curve of its batches, for the live chart."""
    return JsonResponse(curve_of_run(run_of(request, run_id)))


def run_of(request: WorkspaceRequest, run_id: UUID) -> Run:
    """The run in the workspace, with what its page shows; 404 where there is none."""
    rows = Run.objects.with_partitions_of(request.workspace).select_related(
        "workspace",
        "requested_by",
        "continues",
        "parent",
        "deployment__integration",
        "version__source",
        "version__destination",
    )
    return get_object_or_404(rows.defer(*_HEAVY), pk=run_id)


def _head(request: WorkspaceRequest, run: Run) -> dict[str, Any]:
    is_working = run.state == RunState.RUNNING
    pace = pace_of(run) if is_working else Pace(None, None)
    may_read_log = request.access.allows("run.logs.read")
    return {
        "run": run,
        "integration": run.deployment.integration,
        "verdict": verdict_of(run),
        "can_continue": can_continue(run),
        "took": took(run, timezone.now()),
        "percent": None if run.progress is None else min(100, int(run.progress * 100)),
        "per_second": pace.per_second,
        "left": "" if pace.left_seconds is None else left_words(pace.left_seconds),
        "warnings": _warnings(run) if run.has_warnings and may_read_log else [],
        "wait": wait_of(run),
        "followed_by": Run.objects.of(request.workspace).filter(continues=run).only("id", "state").first(),
    }


def _warnings(run: Run) -> list[str]:
    lines = Event.objects.filter(run_id=run.pk, kind="run.warning").order_by("seq")
    found = list(lines.values_list("message", flat=True)[:_WARNINGS_SHOWN])
    # The verdict itself tells of records that were set aside.
    return [] if run.set_aside and len(found) == 1 else found


def _facts(run: Run) -> dict[str, Any]:
    guarantee = guarantee_of(run.version)
    uncertain = UncertainBatch.objects.filter(Q(run=run) | Q(run__parent=run))
    return {
        "run": run,
        "integration": run.deployment.integration,
        "guarantee": guarantee.value.replace("_", " "),
        "guarantee_words": EXPLANATIONS[guarantee],
        "uncertain": uncertain.aggregate(batches=Count("id"), records=Sum("records")),
        "cursor_text": cursor_text(run.cursor),
    }
