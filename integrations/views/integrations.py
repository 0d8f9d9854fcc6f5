"""Page: the list of integrations."""

from __future__ import annotations

from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from accounts.permissions import workspace_view
from accounts.requests import WorkspaceRequest
from integrations.forms.integration_filter import LETTERS, STATES, SWITCH, IntegrationFilterForm
from integrations.models import Connector, Integration
from integrations.views.integrations_rows import Wanted, rows_of, wanted_of
from integrations.views.name_pages import NamePage, page_by_name

_FILTERS = ("q", "state", "connector", "enabled", "letters")


@require_GET
@workspace_view("integration.read")
def integration_list(request: WorkspaceRequest) -> HttpResponse:
    """By name, narrowed by what the address says; the rows alone for htmx."""
    form = IntegrationFilterForm(request.GET, workspace=request.workspace)
    kept = {name: request.GET[name] for name in _FILTERS if request.GET.get(name)}
    page: NamePage[Integration] = NamePage([], "", "")
    if form.is_valid():
        page = page_by_name(wanted_of(request.workspace, _wanted(form)), form.cleaned_data, kept=kept)
    context = {
        "form": form,
        "page": page,
        "rows": rows_of(request.workspace, page.rows),
        "is_filtered": bool(kept),
        "chosen": kept,
        "states": STATES,
        "switch": SWITCH,
        "letters": LETTERS,
    }
    status = 200 if form.is_valid() else 400
    if request.htmx and not request.htmx.history_restore_request:
        return render(request, "integrations/_integration_rows.html", context, status=status)
    context["connectors"] = list(Connector.objects.of(request.workspace).values_list("pk", "name"))
    return render(request, "integrations/integration_list.html", context, status=status)


def _wanted(form: IntegrationFilterForm) -> Wanted:
    data = form.cleaned_data
    return Wanted(
        words=data["q"],
        state=data["state"],
        connector=data["connector"].pk if data["connector"] else None,
        enabled={"on": True, "off": False}.get(data["enabled"]),
        has_letters=bool(data["letters"]),
    )
