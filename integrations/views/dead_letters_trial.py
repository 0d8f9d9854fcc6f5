"""Page: what a redrive of the chosen dead letters would do, before it is started."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.http import HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_POST

from accounts.errors import SignalboxError
from accounts.permissions import workspace_view
from accounts.requests import WorkspaceRequest
from integrations.forms import dead_letter as forms
from integrations.models import Deployment, Integration, IntegrationVersion
from integrations.services.dead_letter_trial import TRIED_AT_MOST, Trial, try_redrive
from integrations.services.policies import effective_policy


@require_POST
@workspace_view("deadletter.redrive")
def trial(request: WorkspaceRequest) -> HttpResponse:
    """Map the chosen letters of each integration by its active version, or one integration's by another version."""
    form = forms.ChoiceForm(request.POST, workspace=request.workspace)
    form.is_valid()
    letters = form.letters().select_related("integration")
    integrations = list(Integration.objects.filter(pk__in=letters.values("integration")).order_by("name"))
    if not integrations:
        messages.error(request, "No open dead letter was chosen. Tick some, or all that the filter shows.")
        given = QueryDict(form.query)
        kept = {name: given[name] for name in forms.FILTERS if given.get(name)}
        return redirect(reverse("dead-letter-list", args=[request.workspace.slug]) + f"?{urlencode(kept)}")
    trials = [_tried(request, integration, letters) for integration in integrations]
    context = {
        "form": form,
        "chosen": request.POST.getlist("letter")[:200],
        "trials": trials,
        "would_settle": any(each["trial"] and each["trial"].written + each["trial"].filtered for each in trials),
        "at_most": TRIED_AT_MOST,
        "query": form.query,
    }
    return render(request, "integrations/dead_letter_trial.html", context)


def _tried(request: WorkspaceRequest, integration: Integration, letters: Any) -> dict[str, Any]:
    """One integration's part: its trial, or why there is none."""
    related = ("version__source", "version__destination__policy", "workspace")
    deployment = Deployment.objects.select_related(*related).get(integration=integration)
    version = _asked_version(request, integration) or deployment.version
    destination = deployment.version.destination
    policy = effective_policy(workspace=request.workspace, connector=destination, integration=integration)
    found: Trial | None = None
    problem: SignalboxError | None = None
    try:
        found = try_redrive(letters=letters.filter(integration=integration), version=version)
    except SignalboxError as error:
        problem = error
    return {
        "integration": integration,
        "trial": found,
        "problem": problem,
        "version": version,
        "active": deployment.version,
        "versions": list(integration.versions.order_by("-number").values_list("number", flat=True)[:20]),
        "rate": int(policy.value("redrive.records_per_second")),
        "may_look": request.access.allows("deadletter.payload.read"),
    }


def _asked_version(request: WorkspaceRequest, integration: Integration) -> IntegrationVersion | None:
    """The version that the form names for this integration, where it has it."""
    number = request.POST.get(f"version-{integration.pk}", "")
    return integration.versions.filter(number=int(number)).first() if number.isdecimal() and len(number) < 9 else None
