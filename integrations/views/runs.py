"""Page: the list of runs."""

from __future__ import annotations

from urllib.parse import urlencode

from django.http import HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_GET

from accounts.paging import Page, page_of
from accounts.permissions import workspace_view
from accounts.requests import WorkspaceRequest
from integrations.forms import run as forms
from integrations.models import Integration, Run
from integrations.views.runs_rows import listed_runs, row_of


@require_GET
@workspace_view("run.read")
def run_list(request: WorkspaceRequest) -> HttpResponse:
    """Newest first, narrowed by what the address says; the rows alone for the live page."""
    now = timezone.now()
    form = forms.RunFilterForm(request.GET, workspace=request.workspace)
    page: Page[Run] = Page([], None, None)
    if form.is_valid():
        before, after = form.cleaned_data["before"], form.cleaned_data["after"]
        runs = form.narrow(listed_runs(request.workspace), now)
        page = page_of(runs, field="id", before=str(before or ""), after=str(after or ""))
    kept = {name: request.GET[name] for name in forms.FILTERS if request.GET.get(name)}
    context = {
        "form": form,
        "rows": [row_of(run, now) for run in page.rows],
        "older": urlencode({**kept, "before": page.before}) if page.before else "",
        "newer": urlencode({**kept, "after": page.after}) if page.after else "",
        "chosen": kept,
    }
    status = 200 if form.is_valid() else 400
    if request.htmx.target == "runs" and request.htmx.trigger == "runs":
        return render(request, "integrations/_run_rows.html", context, status=status)
    context |= {
        "states": forms.STATES,
        "triggers": forms.TRIGGERS,
        "warnings": forms.WARNINGS,
        "since": forms.SINCE,
        "integrations": list(Integration.objects.of(request.workspace).values_list("pk", "name")),
    }
    return render(request, "integrations/run_list.html", context, status=status)
