"""Page: the columns of an integration's source as they are known, and the changes that wait to be seen."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_POST

from accounts.errors import Conflict
from accounts.permissions import workspace_view
from accounts.requests import WorkspaceRequest
from integrations.domain.approval import ApprovalState
from integrations.domain.drift import DriftState
from integrations.models import ApprovalRequest, SchemaChange
from integrations.services import drift
from integrations.views.integrations_detail import deployment_of

SHOWN = 50


@require_GET
@workspace_view("integration.read")
def integration_schema(request: WorkspaceRequest, integration_id: object) -> HttpResponse:
    """Open changes with their difference, sample and the fields that they touch; then what is known."""
    deployment = deployment_of(request, integration_id)
    changes = list(
        SchemaChange.objects.filter(deployment=deployment).select_related("workspace", "run", "version", "resolved_by")[
            :SHOWN
        ]
    )
    for change in changes:
        # With all that tells what is masked there.
        change.deployment = deployment
    may_look = request.access.allows("data.sample.read")
    context = {
        "deployment": deployment,
        "integration": deployment.integration,
        "version": deployment.version,
        "tab": "schema",
        "open": [
            (change, drift.sample_of(change) if may_look else [])
            for change in changes
            if change.state == DriftState.OPEN
        ],
        "resolved": [change for change in changes if change.state == DriftState.RESOLVED],
        # As pairs: a column may be called "items", which a template would find before the method.
        "columns": [
            (name, kind, drift.touched(deployment.version, name))
            for name, kind in (deployment.source_columns or {}).items()
        ],
        "may_look": may_look,
        # Another version may wait, too; a deployment has one open request at most.
        "waiting": ApprovalRequest.objects.filter(deployment=deployment, state=ApprovalState.OPEN).first(),
    }
    return render(request, "integrations/integration_schema.html", context)


@require_POST
@workspace_view("integration.manage")
def resolve(request: WorkspaceRequest, integration_id: object, change_id: UUID) -> HttpResponse:
    """Mark a change as seen."""
    deployment = deployment_of(request, integration_id)
    rows = SchemaChange.objects.filter(deployment=deployment).select_related("workspace", "deployment")
    change = get_object_or_404(rows, pk=change_id)
    try:
        drift.resolve(change=change, note=request.POST.get("note", ""), user=request.user)
    except Conflict as error:
        messages.error(request, error.message)
    else:
        messages.success(request, "Marked as seen: the next run takes the column as it is now.")
    return redirect("integration-schema", request.workspace.slug, integration_id)
