"""What is done to runs: start one, cancel, pause or resume one, go on from one's checkpoint."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_POST

from accounts.errors import Conflict
from accounts.permissions import workspace_view
from accounts.requests import WorkspaceRequest
from integrations.domain.lifecycle import RunState, Trigger
from integrations.forms.run import StartRunForm
from integrations.models import Integration, Run
from integrations.services import continuation, pausing, runs
from integrations.views.runs_words import active_run_notice


@require_http_methods(["GET", "POST"])
@workspace_view("run.start")
def run_start(request: WorkspaceRequest) -> HttpResponse:
    """Ask which integration, then queue a run of it and go there; where one is active, say so with the way to it."""
    form = StartRunForm(request.POST if request.method == "POST" else None, workspace=request.workspace)
    error: Conflict | None = None
    if request.method == "POST" and form.is_valid():
        try:
            run = runs.start_run(deployment=form.deployment(), trigger=Trigger.MANUAL, user=request.user)
        except Conflict as conflict:
            error = conflict
        else:
            return redirect("run-detail", request.workspace.slug, run.pk)
    has_integrations = Integration.objects.of(request.workspace).exists()
    context = {"form": form, "error": error, "has_integrations": has_integrations}
    status = 409 if error else 400 if form.errors else 200
    name = "_run_start_form" if request.htmx.target == "run-start-form" else "run_start"
    return render(request, f"integrations/{name}.html", context, status=status)


@require_POST
@workspace_view("run.cancel")
def run_cancel(request: WorkspaceRequest, run_id: UUID) -> HttpResponse:
    """Ask for a cancel."""
    run = _run(request, run_id)
    try:
        run = runs.cancel_run(run=run)
    except Conflict as error:
        messages.error(request, str(error))
    else:
        words = "stops after the batch that it is working on" if run.is_active else "is cancelled"
        messages.success(request, f"The run {words}. Its checkpoint is kept.")
    return redirect("run-detail", request.workspace.slug, run.pk)


@require_POST
@workspace_view("run.cancel")
def run_pause(request: WorkspaceRequest, run_id: UUID) -> HttpResponse:
    """Ask for a pause."""
    run = _run(request, run_id)
    try:
        run = pausing.pause_run(run=run)
    except Conflict as error:
        messages.error(request, str(error))
    else:
        is_paused = run.state == RunState.PAUSED
        words = "is paused" if is_paused else "pauses after the batch that it is working on"
        messages.success(request, f"The run {words}. Its checkpoint is kept.")
    return redirect("run-detail", request.workspace.slug, run.pk)


@require_POST
@workspace_view("run.retry")
def run_resume(request: WorkspaceRequest, run_id: UUID) -> HttpResponse:
    """Let a paused run go on."""
    run = _run(request, run_id)
    try:
        run = pausing.resume_run(run=run)
    except Conflict as error:
        messages.error(request, str(error))
    else:
        messages.success(request, "The run goes on from its checkpoint.")
    return redirect("run-detail", request.workspace.slug, run.pk)


@require_POST
@workspace_view("run.retry")
def run_continue(request: WorkspaceRequest, run_id: UUID) -> HttpResponse:
    """Queue a run from the checkpoint of this one, and go there."""
    run = _run(request, run_id)
    try:
        following = continuation.continue_run(run=run, user=request.user)
    except Conflict as error:
        messages.error(request, active_run_notice(request.workspace.slug, error))
        return redirect("run-detail", request.workspace.slug, run.pk)
    return redirect("run-detail", request.workspace.slug, following.pk)


def _run(request: WorkspaceRequest, run_id: UUID) -> Run:
    return get_object_or_404(Run.objects.of(request.workspace).select_related("workspace", "version"), pk=run_id)
