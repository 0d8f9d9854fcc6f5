"""Pages: batches that may have arrived twice, and what a person found of one."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_http_methods

from accounts.errors import Conflict, Invalid
from accounts.paging import Page, page_of
from accounts.permissions import workspace_view
from accounts.requests import WorkspaceRequest
from integrations.forms import uncertain as forms
from integrations.models import Integration, UncertainBatch
from integrations.services import uncertain


@require_GET
@workspace_view("run.read")
def uncertain_list(request: WorkspaceRequest) -> HttpResponse:
    """Newest first, the open ones unless the address says otherwise; the rows alone for the live page."""
    form = forms.UncertainFilterForm(request.GET, workspace=request.workspace)
    kept = {name: request.GET[name] for name in forms.FILTERS if request.GET.get(name)}
    context: dict[str, Any] = {"form": form, "chosen": kept, "state": "open", "words": _words()}
    if form.is_valid():
        before, after = form.cleaned_data["before"], form.cleaned_data["after"]
        rows = form.narrow(UncertainBatch.objects.of(request.workspace)).select_related("integration", "resolved_by")
        page: Page[UncertainBatch] = page_of(rows, field="id", before=str(before or ""), after=str(after or ""))
        context |= {
            "state": form.chosen_state,
            "batches": page.rows,
            "older": urlencode({**kept, "before": page.before}) if page.before else "",
            "newer": urlencode({**kept, "after": page.after}) if page.after else "",
        }
    status = 200 if form.is_valid() else 400
    if request.htmx.target == "uncertain" and request.htmx.trigger == "uncertain":
        return render(request, "integrations/_uncertain_rows.html", context, status=status)
    context |= {
        "states": forms.STATES,
        "integrations": list(Integration.objects.of(request.workspace).values_list("pk", "name")),
    }
    return render(request, "integrations/uncertain_list.html", context, status=status)


@require_http_methods(["GET", "POST"])
@workspace_view("run.retry")
def uncertain_resolve(request: WorkspaceRequest, uncertain_id: UUID) -> HttpResponse:
    """Ask what was found at the destination, and write it down."""
    rows = UncertainBatch.objects.of(request.workspace).select_related("workspace", "run", "integration", "resolved_by")
    batch = get_object_or_404(rows, pk=uncertain_id)
    form = forms.VerdictForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        try:
            uncertain.resolve(batch=batch, verdict=form.chosen, note=form.cleaned_data["note"], user=request.user)
        except Invalid as error:
            form.add_error("note", error.fields["note"])
        except Conflict as error:
            messages.error(request, f"{error.message} {error.what_to_do}")
            return redirect("uncertain-resolve", request.workspace.slug, batch.pk)
        else:
            messages.success(request, f"Batch {batch.number} is resolved.")
            return redirect("uncertain-list", request.workspace.slug)
    context = {"batch": batch, "form": form, "words": _words()}
    return render(request, "integrations/uncertain_resolve.html", context, status=400 if form.errors else 200)


def _words() -> dict[str, str]:
    return {verdict.value: words for verdict, words in uncertain.WORDS.items()}
