"""What is done to an integration as it is: start a run, switch, reset the checkpoint, delete."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.views.decorators.http import require_http_methods, require_POST

from accounts.errors import Conflict, Invalid, SignalboxError
from accounts.permissions import workspace_view
from accounts.requests import WorkspaceRequest
from integrations.domain.lifecycle import Trigger
from integrations.models import DeadLetter, Deployment, Run
from integrations.services import integrations as services
from integrations.services.runs import start_run
from integrations.views.integrations_detail import deployment_of


@require_POST
@workspace_view("run.start")
def start(request: WorkspaceRequest, integration_id: object) -> HttpResponse:
    """Queue a run and go to it; where one is active already, say so with the way to it."""
    deployment = deployment_of(request, integration_id)
    try:
        run = start_run(deployment=deployment, trigger=Trigger.MANUAL, user=request.user)
    except Conflict as error:
        messages.error(request, _with_link(request, error))
        return _to_detail(request, deployment)
    return redirect("run-detail", request.workspace.slug, run.pk)


@require_POST
@workspace_view("integration.enable")
def switch(request: WorkspaceRequest, integration_id: object) -> HttpResponse:
    """Switch its schedule on or off, to what `enabled` says."""
    deployment = deployment_of(request, integration_id)
    enabled = request.POST.get("enabled") == "on"
    services.set_enabled(deployment=deployment, enabled=enabled)
    name = deployment.integration.name
    words = "is on: its schedule starts runs" if enabled else "is off: its schedule starts nothing, you still can"
    messages.success(request, f"{name} {words}.")
    return _to_detail(request, deployment)


@require_http_methods(["GET", "POST"])
@workspace_view("checkpoint.reset")
def reset(request: WorkspaceRequest, integration_id: object) -> HttpResponse:
    """Ask why, then forget the cursor."""
    deployment = deployment_of(request, integration_id)
    problem = ""
    error: SignalboxError | None = None
    if request.method == "POST":
        try:
            services.reset_checkpoint(deployment=deployment, reason=request.POST.get("reason", "")[:500])
        except Invalid as invalid:
            problem = invalid.fields.get("reason", invalid.message)
        except Conflict as conflict:
            error = conflict
        else:
            messages.success(request, "The checkpoint is reset: the next run reads the stream from its start.")
            return _to_detail(request, deployment)
    context = {"problem": problem, "error": error, "reason": request.POST.get("reason", "")}
    return _page(request, "integration_reset", deployment, context)


@require_http_methods(["GET", "POST"])
@workspace_view("integration.manage")
def delete(request: WorkspaceRequest, integration_id: object) -> HttpResponse:
    """Ask for the name, then delete it with its versions, runs and dead letters."""
    deployment = deployment_of(request, integration_id)
    name, problem = deployment.integration.name, ""
    error: SignalboxError | None = None
    if request.method == "POST" and request.POST.get("confirm", "").strip() != name:
        problem = f"That is not {name}."
    elif request.method == "POST":
        try:
            services.delete_integration(integration=deployment.integration)
        except Conflict as conflict:
            error = conflict
        else:
            messages.success(request, f"{name} is deleted.")
            return redirect("integration-list", request.workspace.slug)
    lost = {
        "run_count": Run.objects.of(request.workspace).filter(deployment=deployment).count(),
        "letter_count": DeadLetter.objects.of(request.workspace).filter(integration=deployment.integration).count(),
        "version_count": deployment.integration.versions.count(),
    }
    return _page(request, "integration_delete", deployment, {"problem": problem, "error": error, **lost})


def _page(request: WorkspaceRequest, name: str, deployment: Deployment, context: dict[str, Any]) -> HttpResponse:
    status = 409 if context["error"] else 400 if context["problem"] else 200
    context |= {"deployment": deployment, "integration": deployment.integration}
    return render(request, f"integrations/{name}.html", context, status=status)


def _with_link(request: WorkspaceRequest, error: Conflict) -> SafeString:
    run = error.detail.get("run")
    if not run:
        return format_html("{}", str(error))
    href = reverse("run-detail", args=[request.workspace.slug, run])
    return format_html('{} <a href="{}">Open the active run</a>', str(error), href)


def _to_detail(request: WorkspaceRequest, deployment: Deployment) -> HttpResponse:
    return redirect("integration-detail", request.workspace.slug, deployment.integration_id)
