"""Pages: the versions of an integration, the change of the active one, and how two of them differ."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_POST

from accounts.permissions import workspace_view
from accounts.requests import WorkspaceRequest
from integrations.domain.approval import ApprovalState
from integrations.domain.mapping import FieldRule, Mapping
from integrations.models import IntegrationVersion
from integrations.models.approval import ApprovalRequest
from integrations.services import integrations as services
from integrations.services.approval_holds import held_of
from integrations.services.approvals import activate_or_ask
from integrations.services.differences import difference_of
from integrations.views.integrations_detail import deployment_of, version_of

LABELS = {
    "source": "Source",
    "source_stream": "Source stream",
    "read_mode": "Reads",
    "cursor_field": "Cursor field",
    "primary_key": "Key of the source",
    "destination": "Destination",
    "destination_stream": "Destination stream",
    "write_mode": "Writes",
    "key": "Key",
}
PAGE = 50
Pair = tuple[str | None, str | None]


@require_GET
@workspace_view("integration.read")
def version_list(request: WorkspaceRequest, integration_id: object) -> HttpResponse:
    """Who made which version when and why; `?from=2&to=3` leads to their difference."""
    deployment = deployment_of(request, integration_id)
    if request.GET.get("from", "").isdecimal() and request.GET.get("to", "").isdecimal():
        numbers = (int(request.GET[name][:9]) for name in ("from", "to"))
        return redirect("integration-diff", request.workspace.slug, deployment.integration_id, *numbers)
    rows = IntegrationVersion.objects.filter(integration=deployment.integration_id)
    before = request.GET.get("before", "")
    if before.isdecimal():
        rows = rows.filter(number__lt=int(before[:9]))
    found = list(rows.select_related("created_by", "source", "destination")[: PAGE + 1])
    context = {
        "deployment": deployment,
        "integration": deployment.integration,
        "version": deployment.version,
        "tab": "versions",
        "versions": found[:PAGE],
        "held": held_of(deployment),
        "active": deployment.version_id if deployment.is_approved else None,
        "asked": ApprovalRequest.objects.filter(deployment=deployment, state=ApprovalState.OPEN)
        .values_list("version_id", flat=True)
        .first(),
        "older": f"before={found[PAGE - 1].number}" if len(found) > PAGE else "",
    }
    return render(request, "integrations/integration_versions.html", context)


@require_POST
@workspace_view("integration.manage")
def activate(request: WorkspaceRequest, integration_id: object, number: int) -> HttpResponse:
    """Make a version the active one."""
    deployment = deployment_of(request, integration_id)
    version = version_of(deployment, number)
    epoch = deployment.epoch
    if asked := activate_or_ask(deployment=deployment, version=version, user=request.user):
        messages.info(request, f"“{asked.title}” waits for the approval of another member.")
        return redirect("approval-list", request.workspace.slug)
    active = deployment_of(request, integration_id)
    reset = " It reads something else, so the next run starts at the beginning." if active.epoch != epoch else ""
    messages.success(request, f"Version {number} is active: the next run uses it.{reset}")
    return redirect("integration-versions", request.workspace.slug, deployment.integration_id)


@require_GET
@workspace_view("integration.read")
def difference(request: WorkspaceRequest, integration_id: object, number: int, other: int) -> HttpResponse:
    """Two versions beside each other, what differs marked."""
    deployment = deployment_of(request, integration_id)
    before, after = version_of(deployment, number), version_of(deployment, other)
    found = difference_of(before, after)
    numbers = IntegrationVersion.objects.filter(integration=deployment.integration_id).values_list("number", flat=True)
    context: dict[str, Any] = {
        "deployment": deployment,
        "integration": deployment.integration,
        "version": deployment.version,
        "tab": "versions",
        "before": before,
        "after": after,
        "difference": found,
        "numbers": [(value, f"Version {value}") for value in numbers[:200]],
        "flow_rows": _flow_rows(before, after),
        "mapping_rows": _mapping_rows(before, after),
    }
    return render(request, "integrations/integration_diff.html", context)


def _flow_rows(before: IntegrationVersion, after: IntegrationVersion) -> list[Pair]:
    old, new = services.flow_values(before), services.flow_values(after)
    return [(f"{label}: {_words(old[name])}", f"{label}: {_words(new[name])}") for name, label in LABELS.items()]


def _mapping_rows(before: IntegrationVersion, after: IntegrationVersion) -> list[Pair]:
    """Fields of one target beside each other, in the order of the later version; removed ones at their old place."""
    old, new = Mapping.from_json(before.mapping), Mapping.from_json(after.mapping)
    old_lines = {rule.target: _line(rule) for rule in old.fields}
    new_lines = {rule.target: _line(rule) for rule in new.fields}
    order = list(new_lines)
    for place, name in enumerate(old_lines):
        if name not in new_lines:
            order.insert(min(place, len(order)), name)
    rows: list[Pair] = [(old_lines.get(name), new_lines.get(name)) for name in order]
    return [*rows, (f"Filter: {old.filter or 'none'}", f"Filter: {new.filter or 'none'}")]


def _line(rule: FieldRule) -> str:
    return f"{rule.target} ({rule.type_name}{', required' if rule.required else ''}) = {rule.expression}"


def _words(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "none"
    return str(value) or "none"
