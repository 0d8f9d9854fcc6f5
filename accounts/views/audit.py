"""Page: the audit log."""

from __future__ import annotations

from urllib.parse import urlencode

from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_http_methods

from accounts.forms.audit import AuditFilterForm
from accounts.models import AuditEntry
from accounts.paging import Page, page_of
from accounts.permissions import workspace_view
from accounts.requests import WorkspaceRequest

_FILTERS = ("actor", "action", "object", "since", "until")


@require_http_methods(["GET"])
@workspace_view("audit.read")
def audit_log(request: WorkspaceRequest) -> HttpResponse:
    """Newest first, narrowed by actor, action, object and date."""
    form = AuditFilterForm(request.GET, workspace=request.workspace)
    page: Page[AuditEntry] = Page([], None, None)
    if form.is_valid():
        entries = form.narrow(AuditEntry.objects.of(request.workspace).select_related("actor"))
        before, after = form.cleaned_data["before"], form.cleaned_data["after"]
        page = page_of(entries, field="seq", before=str(before or ""), after=str(after or ""))
    kept = {name: request.GET[name] for name in _FILTERS if request.GET.get(name)}
    context = {
        "form": form,
        "entries": page.rows,
        "older": urlencode({**kept, "before": page.before}) if page.before else "",
        "newer": urlencode({**kept, "after": page.after}) if page.after else "",
        "is_filtered": bool(kept),
    }
    return render(request, "accounts/audit.html", context, status=200 if form.is_valid() else 400)
