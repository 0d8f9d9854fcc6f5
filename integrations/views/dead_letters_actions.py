"""What is done to dead letters: send them again, or give up on them."""

from __future__ import annotations

from collections import defaultdict
from urllib.parse import urlencode
from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.html import format_html
from django.views.decorators.http import require_POST

from accounts.errors import Conflict, Invalid
from accounts.permissions import workspace_view
from accounts.requests import WorkspaceRequest
from accounts.templatetags.signalbox import number
from integrations.forms import dead_letter as forms
from integrations.models import DeadLetter, Deployment, Run
from integrations.services import dead_letters
from integrations.views.runs_words import active_run_notice

REDRIVE_AT_MOST = 10_000
DISCARD_AT_MOST = 1_000


@require_POST
@workspace_view("deadletter.redrive")
def redrive(request: WorkspaceRequest) -> HttpResponse:
    """Start a run for each integration whose letters were chosen; one alone is opened, several are linked."""
    form = _choice(request)
    chosen: dict[UUID, list[UUID]] = defaultdict(list)
    for integration, letter in form.letters().values_list("integration_id", "id")[:REDRIVE_AT_MOST]:
        chosen[integration].append(letter)
    if not chosen:
        messages.error(request, "No open dead letter was chosen. Tick some, or all that the filter shows.")
        return _to_list(request, form)
    deployments = Deployment.objects.of(request.workspace).select_related("workspace", "integration", "version")
    started = []
    for deployment in deployments.filter(integration__in=chosen).order_by("integration__name"):
        try:
            run = dead_letters.redrive(
                deployment=deployment, letter_ids=chosen[deployment.integration_id], user=request.user
            )
        except Conflict as error:
            messages.error(request, active_run_notice(request.workspace.slug, error))
        else:
            started.append((deployment, run))
    return _after_redrive(request, form, started)


@require_POST
@workspace_view("deadletter.discard")
def discard(request: WorkspaceRequest) -> HttpResponse:
    """Ask why, then give up on the letters that were chosen."""
    form = _choice(request)
    letters = list(form.letters().select_related("workspace", "integration").defer("payload")[:DISCARD_AT_MOST])
    if not letters:
        messages.error(request, "No open dead letter was chosen. Tick some, or all that the filter shows.")
        return _to_list(request, form)
    reason, problem = request.POST.get("reason", "")[:500], ""
    if "confirm" in request.POST:
        try:
            count = dead_letters.discard(letters=letters, reason=reason)
        except Invalid as error:
            problem = error.fields.get("reason", error.message)
        else:
            messages.success(request, f"{number(count)} dead letter{'s are' if count != 1 else ' is'} discarded.")
            return _to_list(request, form)
    context = {
        "letters": letters,
        "query": form.query,
        "reason": reason,
        "problem": problem,
        "at_most": DISCARD_AT_MOST if len(letters) == DISCARD_AT_MOST else None,
    }
    return render(request, "integrations/dead_letter_discard.html", context, status=400 if problem else 200)


def _choice(request: WorkspaceRequest) -> forms.ChoiceForm:
    """What was ticked; ids and filters that are none choose nothing."""
    form = forms.ChoiceForm(request.POST, workspace=request.workspace)
    form.is_valid()
    return form


def _after_redrive(
    request: WorkspaceRequest, form: forms.ChoiceForm, started: list[tuple[Deployment, Run]]
) -> HttpResponse:
    for deployment, run in started:
        count = DeadLetter.objects.of(request.workspace).filter(redrive=run).count()
        href = reverse("run-detail", args=[request.workspace.slug, run.pk])
        words = f"{number(count)} record{'s are' if count != 1 else ' is'} sent again by {deployment.integration.name}."
        messages.success(request, format_html('{} <a href="{}">Open the redrive run</a>', words, href))
    if len(started) == 1:
        return redirect("run-detail", request.workspace.slug, started[0][1].pk)
    return _to_list(request, form)


def _to_list(request: WorkspaceRequest, form: forms.ChoiceForm) -> HttpResponse:
    """Back to the list as it was filtered."""
    given = QueryDict(form.query)
    kept = {name: given[name] for name in forms.FILTERS if given.get(name)}
    query = f"?{urlencode(kept)}" if kept else ""
    return redirect(reverse("dead-letter-list", args=[request.workspace.slug]) + query)
