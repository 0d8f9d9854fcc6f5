"""Pages: the list of connectors, and one of them."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from accounts.errors import SignalboxError
from accounts.permissions import workspace_view
from accounts.requests import WorkspaceRequest
from integrations.connectors import registry
from integrations.domain.policy import RULES
from integrations.forms.connector_filter import PLUGINS, ConnectorFilterForm
from integrations.models import Connector
from integrations.models.connector import CheckState, Environment
from integrations.services import connectors as services
from integrations.services.limits_overview import breakers_of
from integrations.services.policies import effective_policy
from integrations.services.policy_actions import last_actions
from integrations.services.policy_places import ends_of
from integrations.views.connectors_rows import history_of, list_connectors, uses_of
from integrations.views.connectors_words import settings_of, streams_shown
from integrations.views.deletion import confirm_deletion
from integrations.views.policies_words import sections_of, telling


@require_GET
@workspace_view("connector.read")
def connector_list(request: WorkspaceRequest) -> HttpResponse:
    """By name, narrowed by what the address says; the rows alone for htmx."""
    form = ConnectorFilterForm(request.GET)
    kept = form.kept()
    context: dict[str, Any] = {"form": form, "chosen": kept, "is_filtered": bool(kept)}  # what templates see
    if form.is_valid():
        context["rows"], context["page"] = list_connectors(request.workspace, kept, form.cleaned_data)
    status = 200 if form.is_valid() else 400
    if request.htmx and not request.htmx.history_restore_request:
        return render(request, "integrations/_connector_rows.html", context, status=status)
    context |= {"plugins": PLUGINS, "environments": Environment.choices, "states": CheckState.choices}
    return render(request, "integrations/connector_list.html", context, status=status)


@require_GET
@workspace_view("connector.read")
def connector_detail(request: WorkspaceRequest, connector_id: UUID) -> HttpResponse:
    """Its state, settings, policy and users; `?part=state` is what changes live."""
    connector = connector_of(request, connector_id)
    context = state_context(request, connector)
    if request.GET.get("part") == "state":
        return render(request, "integrations/_connector_state.html", context)
    context |= {
        "settings": settings_of(connector, context["spec"]),
        "sections": telling(
            sections_of(
                effective_policy(workspace=request.workspace, connector=connector),
                request.workspace,
                last_actions(workspace=request.workspace, connector=connector),
                ends_of(connector),
            )
        ),
        "rule_count": len(RULES),
        "uses": uses_of(request.workspace, connector),
        "asks_streams": "streams" in request.GET,
    }
    if context["asks_streams"] and request.access.allows("integration.manage"):
        context |= streams_context(connector, "")
    return render(request, "integrations/connector_detail.html", context)


@require_POST
@workspace_view("connector.manage")
def connector_check(request: WorkspaceRequest, connector_id: UUID) -> HttpResponse:
    """Test it now and store the verdict."""
    connector = connector_of(request, connector_id)
    result = services.check_connector(connector=connector)
    if request.htmx:
        return render(request, "integrations/_connector_state.html", state_context(request, connector))
    level = messages.SUCCESS if result.ok else messages.ERROR
    messages.add_message(request, level, f"{result.message} {result.what_to_do}".strip())
    return redirect("connector-detail", request.workspace.slug, connector.pk)


@require_GET
@workspace_view("integration.manage")
def connector_streams(request: WorkspaceRequest, connector_id: UUID) -> HttpResponse:
    """Ask the other system what it offers now, or say why it does not tell."""
    connector = connector_of(request, connector_id)
    context = {"connector": connector, **streams_context(connector, request.GET.get("q", "")[:80])}
    return render(request, "integrations/_connector_streams.html", context)


@require_http_methods(["GET", "POST"])
@workspace_view("connector.manage")
def connector_delete(request: WorkspaceRequest, connector_id: UUID) -> HttpResponse:
    """Ask for the name, then delete it, unless an integration uses it."""
    connector = connector_of(request, connector_id)
    users = [
        (use.integration.name, "integration-detail", use.integration.pk)
        for use in uses_of(request.workspace, connector)
    ]
    return confirm_deletion(
        request,
        word="connector",
        name=connector.name,
        delete=lambda: services.delete_connector(connector=connector),
        back=("connector-detail", connector.pk),
        lost="Its settings and the verdicts of its tests go with it, for good. The other system stays as it is.",
        users=users,
    )


def connector_of(request: WorkspaceRequest, connector_id: UUID) -> Connector:
    """The connector of this workspace, or 404."""
    found = Connector.objects.of(request.workspace).select_related("credential", "policy", "workspace")
    return get_object_or_404(found, pk=connector_id)


def state_context(request: WorkspaceRequest, connector: Connector) -> dict[str, Any]:
    """What the state of a connector is drawn from."""
    return {
        "connector": connector,
        "spec": registry.get(connector.plugin).spec,
        "history": history_of(request.workspace, connector),
        "breaker": breakers_of(request.workspace, [connector]).get(connector.pk),
    }


def streams_context(connector: Connector, words: str) -> dict[str, Any]:
    """The streams that the other system offers now, or the error in its words."""
    try:
        found = services.streams_of(connector=connector)
    except SignalboxError as error:
        return {"error": error, "words": words}
    return {"streams": streams_shown(found, words), "total": len(found), "words": words}
