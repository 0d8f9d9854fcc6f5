"""The partitions of a run, on its page."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.http import HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils import timezone
from django.views.decorators.http import require_GET

from accounts.permissions import workspace_view
from accounts.requests import WorkspaceRequest
from integrations.models import Run
from integrations.views.runs_rows import row_of

_HIDDEN = ("schema", "cursor", "start_cursor")


@require_GET
@workspace_view("run.read")
def run_partitions(request: WorkspaceRequest, run_id: UUID) -> HttpResponse:
    """The partitions as they stand, for the live page."""
    run = get_object_or_404(Run.objects.of(request.workspace).only("id", "partition_count"), pk=run_id)
    return render(request, "integrations/_run_partitions.html", {"run": run, **partitions_context(run)})


def partitions_context(run: Run) -> dict[str, Any]:
    """The partitions of a run in their order; of most runs there are none to ask for."""
    if not run.partition_count:
        return {"partitions": []}
    now = timezone.now()
    return {"partitions": [row_of(child, now) for child in run.partitions.order_by("id").defer(*_HIDDEN)]}
