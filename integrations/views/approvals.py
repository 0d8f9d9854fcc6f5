"""Pages: changes that wait for a second person, and what became of the others."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_POST

from accounts.errors import SignalboxError
from accounts.permissions import workspace_view
from accounts.requests import WorkspaceRequest
from integrations.domain.approval import ApprovalKind, ApprovalState
from integrations.models import ApprovalRequest
from integrations.services import approvals
from integrations.services.approval_holds import approvers_of, members_of, named
from integrations.services.policy_changes import differences, values_of

DECIDED_SHOWN = 30
_RELATED = (
    "asked_by",
    "decided_by",
    "policy",
    "workspace",
    "deployment__integration",
    "deployment__version",
    "version",
)
_WORDS = {"approve": "approved: it is done", "decline": "declined", "withdraw": "taken back"}


@require_GET
@workspace_view("integration.read")
def approval_list(request: WorkspaceRequest) -> HttpResponse:
    """What waits, the oldest first, and the last decisions; the live part alone for htmx."""
    rows = ApprovalRequest.objects.of(request.workspace).select_related(*_RELATED)
    members = members_of(request.workspace)
    context = {
        "waiting": [
            (each, changes_of(each), named(approvers_of(each, members)))
            for each in rows.filter(state=ApprovalState.OPEN).order_by("id")
        ],
        "decided": list(rows.exclude(state=ApprovalState.OPEN)[:DECIDED_SHOWN]),
    }
    partial = request.htmx and not request.htmx.history_restore_request
    return render(request, f"integrations/{'_approval_rows' if partial else 'approval_list'}.html", context)


def changes_of(asked: ApprovalRequest) -> list[str]:
    """What a policy's request would change, rule by rule."""
    if asked.kind != ApprovalKind.POLICY:
        return []
    return differences(values_of(asked.policy) if asked.policy else {}, asked.change)


@require_POST
@workspace_view("integration.manage")
def approval_decide(request: WorkspaceRequest, approval_id: UUID) -> HttpResponse:
    """Approve, decline or take back."""
    found = get_object_or_404(ApprovalRequest.objects.of(request.workspace).select_related(*_RELATED), pk=approval_id)
    if found.kind == ApprovalKind.POLICY and not request.access.allows("policy.manage"):
        raise PermissionDenied
    decision, note = request.POST.get("decision", ""), request.POST.get("note", "")
    if decision not in _WORDS:
        messages.error(request, "Choose to approve, to decline or to take it back.")
        return redirect("approval-list", request.workspace.slug)
    try:
        if decision == "withdraw":
            approvals.withdraw(request=found, user=request.user)
        else:
            approvals.decide(request=found, user=request.user, approve=decision == "approve", note=note)
    except SignalboxError as error:
        messages.error(request, str(error))
    else:
        messages.success(request, f"“{found.title}” is {_WORDS[decision]}.")
    return redirect("approval-list", request.workspace.slug)
