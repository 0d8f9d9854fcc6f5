"""Pages: the catalogue of plugins, and the form of a connector with its test before it is saved."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from accounts.errors import PERMISSION_DENIED, Conflict, Denied, Invalid
from accounts.permissions import workspace_view
from accounts.requests import WorkspaceRequest
from integrations.connectors import registry
from integrations.forms.connector import ConnectorForm, initial_of
from integrations.models import Connector
from integrations.services import connectors as services
from integrations.services.connectors import ConnectorInput, Verdict
from integrations.views.connectors import connector_of
from integrations.views.connectors_words import catalogue_entry

TEST = "test"


@require_http_methods(["GET", "POST"])
@workspace_view("connector.manage")
def connector_create(request: WorkspaceRequest) -> HttpResponse:
    """First the catalogue; with `?plugin=` the form that the plugin declares."""
    key = request.GET.get("plugin", "")
    if key not in registry.CONNECTORS:
        return _catalogue(request, asked=key)
    spec = registry.get(key).spec
    posted = request.POST if request.method == "POST" else None
    initial = {"credential": request.GET.get("credential", "")}
    form = ConnectorForm(posted, workspace=request.workspace, spec=spec, initial=initial)
    return _edit(request, form, None)


@require_http_methods(["GET", "POST"])
@workspace_view("connector.manage")
def connector_edit(request: WorkspaceRequest, connector_id: UUID) -> HttpResponse:
    """The same form, filled with what is stored."""
    connector = connector_of(request, connector_id)
    spec = registry.get(connector.plugin).spec
    posted = request.POST if request.method == "POST" else None
    initial = initial_of(connector, spec)
    initial["credential"] = request.GET.get("credential") or initial["credential"]
    form = ConnectorForm(posted, workspace=request.workspace, spec=spec, initial=initial)
    return _edit(request, form, connector)


def _catalogue(request: WorkspaceRequest, *, asked: str) -> HttpResponse:
    entries = [catalogue_entry(plugin.spec) for plugin in registry.PLUGINS]
    context = {"entries": entries, "asked": asked[:40]}
    return render(request, "integrations/connector_catalogue.html", context, status=400 if asked else 200)


def _edit(request: WorkspaceRequest, form: ConnectorForm, connector: Connector | None) -> HttpResponse:
    verdict = None
    conflict: Conflict | None = None
    is_test = request.POST.get("action") == TEST
    if request.method == "POST" and form.is_usable(without_name=is_test):
        try:
            given = form.given()
            _ask_for_use(request, given, connector)
            if is_test:
                verdict = services.check_input(workspace=request.workspace, given=given)
            else:
                return _saved(request, given, connector)
        except Invalid as error:
            form.say(error.fields)
        except Conflict as error:
            conflict = error
    return _page(request, form, connector, verdict, conflict)


def _ask_for_use(request: WorkspaceRequest, given: ConnectorInput, connector: Connector | None) -> None:
    """Whoever chooses a credential, or where it is sent to, uses it."""
    kept = connector and (connector.credential, connector.settings) == (given.credential, given.settings)
    if given.credential and not kept and not request.access.allows("credential.use"):
        raise Denied(
            PERMISSION_DENIED,
            "To choose a credential, or where it is sent to, needs the permission credential.use.",
            permission="credential.use",
        )


def _saved(request: WorkspaceRequest, given: ConnectorInput, connector: Connector | None) -> HttpResponse:
    saved = services.save_connector(workspace=request.workspace, connector=connector, given=given)
    test = "" if saved.checked_at else " Test it to see whether it works."
    messages.success(request, f"{saved.name} is saved.{test}")
    return redirect("connector-detail", request.workspace.slug, saved.pk)


def _page(
    request: WorkspaceRequest,
    form: ConnectorForm,
    connector: Connector | None,
    verdict: Verdict | None,
    conflict: Conflict | None,
) -> HttpResponse:
    stored = Connector.objects.of(request.workspace).get(pk=connector.pk) if connector else None
    context: dict[str, Any] = {  # what templates see
        "form": form,
        "spec": form.spec,
        "entry": catalogue_entry(form.spec),
        "connector": stored,
        "verdict": verdict,
        "conflict": conflict,
        "credential_href": _new_credential(request, form.spec.key, connector),
    }
    if request.htmx and request.POST.get("action") == TEST:
        # The answer to a test is a verdict, also where it is that nothing could be tested.
        return render(request, "integrations/_connector_form.html", context)
    status = 409 if conflict else 400 if form.errors else 200
    return render(request, "integrations/connector_form.html", context, status=status)


def _new_credential(request: WorkspaceRequest, plugin: str, connector: Connector | None) -> str:
    query = {"plugin": plugin, **({"connector": str(connector.pk)} if connector else {})}
    return reverse("credential-create", args=[request.workspace.slug]) + "?" + urlencode(query)
