"""Pages: what connectors share, and the hand that opens or closes a circuit breaker or ends a pause."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_http_methods

from accounts.errors import Conflict
from accounts.permissions import workspace_view
from accounts.requests import WorkspaceRequest
from integrations.models import Breaker, Budget, Connector
from integrations.services import breakers, budgets
from integrations.services.limits_overview import limits_of_workspace
from integrations.services.shared_limits import place_of


@dataclass(frozen=True)
class _Question:
    """What a hand is about to do: in words, the button's, and what the page says after it."""

    title: str
    lines: tuple[str, ...]
    verb: str
    done: str
    type_name: str = ""


@require_GET
@workspace_view("connector.read")
def limit_list(request: WorkspaceRequest) -> HttpResponse:
    """Budgets and breakers; `?part=live` is what changes by itself."""
    context = {"limits": limits_of_workspace(request.workspace)}
    name = "_limits.html" if request.GET.get("part") == "live" else "limit_list.html"
    return render(request, f"integrations/{name}", context)


@require_http_methods(["GET", "POST"])
@workspace_view("connector.manage")
def breaker_trip(request: WorkspaceRequest, connector_id: UUID) -> HttpResponse:
    """Ask for the name of the host that a connector calls, then open its breaker."""
    connector = get_object_or_404(Connector.objects.of(request.workspace), pk=connector_id)
    host = place_of(connector).host or connector.name
    question = _Question(
        f"Trip the breaker of {host}",
        (
            "No call of this workspace goes to this host any more. Runs wait, and lose no attempt.",
            "It stays open until somebody resets it; no call probes the host meanwhile.",
        ),
        "Trip the breaker",
        f"The breaker of {host} is open. Runs wait until somebody resets it.",
        type_name=host,
    )
    return _asked(request, question, lambda: breakers.trip(connector=connector))


@require_http_methods(["GET", "POST"])
@workspace_view("connector.manage")
def breaker_reset(request: WorkspaceRequest, breaker_id: UUID) -> HttpResponse:
    """Ask, then close a breaker."""
    found = Breaker.objects.of(request.workspace).select_related("workspace")
    breaker = get_object_or_404(found, pk=breaker_id)
    question = _Question(
        f"Reset the breaker of {breaker.host}",
        (
            "All calls go out again at once, and runs that wait begin. What was counted is forgotten.",
            "If the host still fails, the breaker opens again by itself where a policy says so.",
        ),
        "Reset the breaker",
        f"The breaker of {breaker.host} is closed. Runs that waited go on.",
    )
    return _asked(request, question, lambda: breakers.reset(breaker=breaker))


@require_http_methods(["GET", "POST"])
@workspace_view("connector.manage")
def budget_release(request: WorkspaceRequest, budget_id: UUID) -> HttpResponse:
    """Ask, then end the pause of a budget."""
    found = Budget.objects.of(request.workspace).select_related("credential", "workspace")
    budget = get_object_or_404(found, pk=budget_id)
    question = _Question(
        f"End the pause of {budget}",
        ("The other system asked to wait. It may refuse the next calls, or ask for a longer pause.",),
        "End the pause",
        f"The pause of {budget} has ended. Runs that waited go on.",
    )
    return _asked(request, question, lambda: budgets.release(budget=budget))


def _asked(request: WorkspaceRequest, question: _Question, act: Callable[[], object]) -> HttpResponse:
    problem, error = "", None
    if request.method == "POST" and request.POST.get("confirm", "").strip() != question.type_name:
        problem = f"That is not {question.type_name}."
    elif request.method == "POST":
        try:
            act()
        except Conflict as conflict:
            error = conflict
        else:
            messages.success(request, question.done)
            return redirect("limit-list", request.workspace.slug)
    status = 409 if error else 400 if problem else 200
    context = {"question": question, "problem": problem, "error": error}
    return render(request, "integrations/limit_confirm.html", context, status=status)
