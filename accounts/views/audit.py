"""Pages: the audit log, and its export."""

from __future__ import annotations

from urllib.parse import urlencode

from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_http_methods

from accounts.errors import INPUT_INVALID, Invalid
from accounts.forms.audit import AuditFilterForm
from accounts.models import AuditEntry
from accounts.paging import Page, page_of
from accounts.permissions import workspace_view
from accounts.requests import WorkspaceRequest
from accounts.services.audit_export import Export, ExportFormat, export

_FILTERS = ("q", "actor", "action", "object", "since", "until")


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
        "kept": kept,
    }
    return render(request, "accounts/audit.html", context, status=200 if form.is_valid() else 400)


@require_http_methods(["POST"])
@workspace_view("audit.export")
def audit_export(request: WorkspaceRequest) -> HttpResponse:
    """Download what the filters leave; the log says who did."""
    form = AuditFilterForm(request.POST, workspace=request.workspace)
    chosen = request.POST.get("format", "")
    if not form.is_valid() or chosen not in set(ExportFormat):
        raise Invalid(INPUT_INVALID, "These are no filters of the audit log.", fields={"filters": "Choose them anew."})
    made = export(
        workspace=request.workspace,
        entries=form.narrow(AuditEntry.objects.of(request.workspace)),
        chosen=ExportFormat(chosen),
        filters={name: request.POST[name] for name in _FILTERS if request.POST.get(name)},
    )
    return _as_download(made)


def _as_download(made: Export) -> HttpResponse:
    """A file that the browser keeps and does not show."""
    headers = {"Content-Disposition": f'attachment; filename="{made.name}"'}
    return HttpResponse(made.content, content_type=made.content_type, headers=headers)
