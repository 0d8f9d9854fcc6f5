"""Pages: when an integration runs by itself, what becomes of missed times, and what starts after what."""

from __future__ import annotations

from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from accounts.errors import Conflict, Invalid
from accounts.permissions import workspace_view
from accounts.requests import WorkspaceRequest
from integrations.domain.blackout_words import words_of
from integrations.domain.misfire import Plan, starts
from integrations.forms.schedule import MISFIRES, ChainForm, SchedulePageForm, plan_initial
from integrations.models import Chain, Deployment, Event
from integrations.services import chains, schedules
from integrations.services.approval_holds import held_of
from integrations.services.clock import database_now
from integrations.views.integrations_detail import deployment_of, schedule_of
from integrations.views.integrations_words import schedule_words

TIMES = 8
NOTES = 10
# What is said of schedules and chains, beside what people changed.
_TOLD = ("every", "cron", "time_zone", "windows", "windows_zone")
_NOTED = ("schedule.", "chain.")


@require_http_methods(["GET", "POST"])
@workspace_view("integration.read", POST="integration.manage")
def schedule(request: WorkspaceRequest, integration_id: object) -> HttpResponse:
    """Show the schedule, the next times, the chains and what was left out; change the schedule."""
    deployment = deployment_of(request, integration_id)
    form = SchedulePageForm(request.POST) if request.method == "POST" else None
    if form is not None and form.is_valid() and _saved(deployment, form):
        messages.success(request, "The schedule is set." if form.plan else "It runs only when asked to.")
        return redirect("integration-schedule", request.workspace.slug, deployment.integration_id)
    return _page(request, deployment, form=form)


@require_GET
@workspace_view("integration.read")
def schedule_times(request: WorkspaceRequest) -> HttpResponse:
    """The next times of what is typed, for a person to check it by."""
    form = SchedulePageForm(request.GET)
    form.full_clean()
    problems = [str(each) for name in _TOLD for each in form.errors.get(name, [])]
    context = {**_times_of(form.plan), "schedule_problems": problems}
    return render(request, "integrations/_schedule_times.html", context)


@require_POST
@workspace_view("integration.manage")
def chain_add(request: WorkspaceRequest, integration_id: object) -> HttpResponse:
    """Let it start after another integration."""
    deployment = deployment_of(request, integration_id)
    form = ChainForm(request.POST, deployment=deployment)
    if form.is_valid():
        upstream = form.cleaned_data["upstream"]
        try:
            chains.add_chain(
                deployment=deployment, upstream=upstream,
                after_warnings=form.cleaned_data["after_warnings"], user=request.user,
            )  # fmt: skip
        except Invalid as error:
            form.add_error("upstream", error.fields.get("upstream", error.message))
        except Conflict as error:
            form.add_error("upstream", str(error))
        else:
            messages.success(request, f"It starts after {upstream.integration.name} from now on.")
            return redirect("integration-schedule", request.workspace.slug, deployment.integration_id)
    return _page(request, deployment, chain_form=form)


@require_POST
@workspace_view("integration.manage")
def chain_remove(request: WorkspaceRequest, integration_id: object, chain_id: UUID) -> HttpResponse:
    """Let it no longer start after another integration."""
    deployment = deployment_of(request, integration_id)
    rows = Chain.objects.of(request.workspace).select_related("workspace", "deployment", "upstream__integration")
    chain = get_object_or_404(rows, pk=chain_id, deployment=deployment)
    chains.remove_chain(chain=chain)
    messages.success(request, f"It no longer starts after {chain.upstream.integration.name}.")
    return redirect("integration-schedule", request.workspace.slug, deployment.integration_id)


def _saved(deployment: Deployment, form: SchedulePageForm) -> bool:
    try:
        if form.plan is None:
            schedules.remove_schedule(deployment=deployment)
        else:
            schedules.set_plan(deployment=deployment, plan=form.plan)
    except Invalid as error:
        form.say(error.fields)
        return False
    return True


def _page(
    request: WorkspaceRequest,
    deployment: Deployment,
    *,
    form: SchedulePageForm | None = None,
    chain_form: ChainForm | None = None,
) -> HttpResponse:
    stored = schedule_of(deployment)
    is_due = stored is not None and stored.enabled and deployment.enabled and deployment.is_approved
    plan = schedules.plan_of(stored) if stored else None
    context = {
        "deployment": deployment, "integration": deployment.integration, "version": deployment.version,
        "tab": "schedule", "schedule": stored, "schedule_words": schedule_words(stored), "plan": plan,
        "misfire_words": dict(MISFIRES).get(plan.misfire.value, "") if plan else "",
        "window_words": [words_of(window) for window in plan.blackout.windows] if plan else [],
        "form": form or SchedulePageForm(initial=plan_initial(stored)),
        "chain_form": chain_form or ChainForm(deployment=deployment),
        "notes": _notes(deployment), "held": held_of(deployment),
        **_times_of(form.plan if form is not None else plan if is_due else None), **chains.chains_of(deployment),
    }  # fmt: skip
    status = 400 if (form is not None or chain_form is not None) else 200
    return render(request, "integrations/integration_schedule.html", context, status=status)


def _times_of(plan: Plan | None) -> dict[str, Any]:
    if plan is None:
        return {"due": [], "plan_zone": "UTC"}
    zone = plan.table.time_zone
    moments = starts(plan, database_now(), TIMES)
    due = [(moment, f"{moment.astimezone(ZoneInfo(zone)):%a %d %b %H:%M:%S}") for moment in moments]
    return {"due": due, "plan_zone": zone}


def _notes(deployment: Deployment) -> list[Event]:
    rows = Event.objects.filter(
        workspace=deployment.workspace, topic="integration", object_id=deployment.integration_id
    ).exclude(message="")
    found = rows.filter(kind__startswith=_NOTED[0]) | rows.filter(kind__startswith=_NOTED[1])
    return list(found.order_by("-id")[:NOTES])
