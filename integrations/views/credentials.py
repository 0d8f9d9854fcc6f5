"""Pages: credentials. A secret goes in here and never comes out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.contrib import messages
from django.db.models import Prefetch
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.debug import sensitive_post_parameters, sensitive_variables
from django.views.decorators.http import require_GET, require_http_methods

from accounts.errors import Conflict, Invalid
from accounts.permissions import workspace_view
from accounts.requests import WorkspaceRequest
from integrations.connectors import registry
from integrations.connectors.base import CredentialKind
from integrations.connectors.credential_kinds import CREDENTIAL_KINDS
from integrations.forms.connector_filter import KINDS, CredentialFilterForm
from integrations.forms.credential import KindForm, RotateForm
from integrations.models import Connector, Credential
from integrations.services import credentials as services
from integrations.views.deletion import confirm_deletion
from integrations.views.name_pages import page_by_name


@dataclass(frozen=True)
class Row:
    """One line of the list."""

    credential: Credential
    kind: str
    users: list[Connector]


@dataclass(frozen=True)
class _Way:
    """Where somebody came from: the form of a connector, new or stored, or the list."""

    plugin: str
    connector: str
    back: str

    @classmethod
    def of(cls, request: WorkspaceRequest) -> _Way:
        """Read it from the address; what does not exist there counts as the list."""
        slug, plugin = request.workspace.slug, request.GET.get("plugin", "")
        if plugin not in registry.CONNECTORS:
            return cls("", "", reverse("credential-list", args=[slug]))
        try:
            connector = UUID(request.GET.get("connector", ""))
        except ValueError:
            return cls(plugin, "", reverse("connector-create", args=[slug]) + "?" + urlencode({"plugin": plugin}))
        return cls(plugin, str(connector), reverse("connector-edit", args=[slug, connector]))

    def query(self, **more: str) -> str:
        """The same way as a query string."""
        given = {"plugin": self.plugin, "connector": self.connector, **more}
        return urlencode({name: value for name, value in given.items() if value})


@require_GET
@workspace_view("credential.read")
def credential_list(request: WorkspaceRequest) -> HttpResponse:
    """By name; the rows alone for htmx."""
    form = CredentialFilterForm(request.GET)
    kept = form.kept()
    context: dict[str, Any] = {"form": form, "chosen": kept, "is_filtered": bool(kept)}  # what templates see
    if form.is_valid():
        fields = {"q": "name__icontains", "kind": "kind"}
        users = Prefetch("connectors", Connector.objects.only("id", "name", "credential_id"))
        found = Credential.objects.of(request.workspace).filter(**{fields[name]: value for name, value in kept.items()})
        context["page"] = page_by_name(found.prefetch_related(users), form.cleaned_data, kept=kept)
        context["rows"] = [_row(credential) for credential in context["page"].rows]
    status = 200 if form.is_valid() else 400
    if request.htmx and not request.htmx.history_restore_request:
        return render(request, "integrations/_credential_rows.html", context, status=status)
    return render(request, "integrations/credential_list.html", {**context, "kinds": KINDS}, status=status)


@require_http_methods(["GET", "POST"])
@workspace_view("credential.write")
@sensitive_post_parameters()
@sensitive_variables("form")
def credential_create(request: WorkspaceRequest) -> HttpResponse:
    """The fields of `?kind=`; with `?plugin=` only kinds that this plugin takes, and back to its form afterwards."""
    way = _Way.of(request)
    fitting = _fitting(way.plugin)
    kind = fitting.get(request.GET.get("kind", "")) or next(iter(fitting.values()))
    form = KindForm(request.POST if request.method == "POST" else None, kind=kind)
    if request.method == "POST" and form.is_valid():
        try:
            made = services.create_credential(
                workspace=request.workspace,
                name=form.cleaned_data["name"],
                kind=kind.key,
                values=form.values(),
                user=request.user,
            )
        except Invalid as error:
            form.say(error.fields)
        except Conflict as error:
            form.add_error("name", str(error))
        else:
            return _stored(request, made, way)
    kinds = [(each, "?" + way.query(kind=each.key)) for each in fitting.values()]
    context = {"form": form, "kinds": kinds, "kind": kind, "here": "?" + way.query(kind=kind.key), "way": way}
    if request.htmx:
        # The dialog shows whatever comes; a browser would report a 400 as a fault of the page.
        return render(request, "integrations/_credential_form.html", context)
    return render(request, "integrations/credential_form.html", context, status=400 if form.errors else 200)


@require_http_methods(["GET", "POST"])
@workspace_view("credential.rotate")
@sensitive_post_parameters()
@sensitive_variables("form")
def credential_rotate(request: WorkspaceRequest, credential_id: UUID) -> HttpResponse:
    """Take a new secret; runs use it from their next slice on."""
    credential = _credential_of(request, credential_id)
    posted = request.POST if request.method == "POST" else None
    form = RotateForm(posted, kind=CREDENTIAL_KINDS[credential.kind], public=credential.public)
    if request.method == "POST" and form.is_valid():
        try:
            rotated = services.rotate_credential(credential=credential, values=form.values(), user=request.user)
        except Invalid as error:
            form.say(error.fields)
        else:
            messages.success(
                request, f"{rotated.name} is at version {rotated.current}. Runs use it from their next slice on."
            )
            return redirect("credential-list", request.workspace.slug)
    context = {"form": form, "credential": credential, "kind": form.kind, "users": _users(credential)}
    return render(request, "integrations/credential_rotate.html", context, status=400 if form.errors else 200)


@require_http_methods(["GET", "POST"])
@workspace_view("credential.write")
def credential_delete(request: WorkspaceRequest, credential_id: UUID) -> HttpResponse:
    """Ask for the name, then delete it, unless a connector uses it."""
    credential = _credential_of(request, credential_id)
    return confirm_deletion(
        request,
        word="credential",
        name=credential.name,
        delete=lambda: services.delete_credential(credential=credential),
        back=("credential-list", None),
        lost="All versions of its secret go, for good. Revoke it in the other system, too.",
        users=[(each.name, "connector-detail", each.pk) for each in _users(credential)],
    )


def _fitting(plugin: str) -> dict[str, CredentialKind]:
    spec = registry.CONNECTORS[plugin].spec if plugin in registry.CONNECTORS else None
    keys = spec.credential_kinds if spec and spec.credential_kinds else tuple(CREDENTIAL_KINDS)
    return {key: CREDENTIAL_KINDS[key] for key in keys}


def _stored(request: WorkspaceRequest, made: Credential, way: _Way) -> HttpResponse:
    if request.htmx:
        # The dialog of the connector's form: its choice gets the new credential, and the dialog may close.
        context = {"made": made, "kind": CREDENTIAL_KINDS[made.kind], "here": "?" + way.query()}
        return render(request, "integrations/_credential_stored.html", context)
    messages.success(request, f"{made.name} is stored. Nobody can read its secret again; connectors can use it.")
    if way.plugin and request.access.allows("connector.manage"):
        return redirect(way.back + ("&" if "?" in way.back else "?") + urlencode({"credential": made.pk}))
    return redirect("credential-list", request.workspace.slug)


def _row(credential: Credential) -> Row:
    return Row(credential, CREDENTIAL_KINDS[credential.kind].label, sorted(credential.connectors.all(), key=str))


def _users(credential: Credential) -> list[Connector]:
    return list(credential.connectors.order_by("name"))


def _credential_of(request: WorkspaceRequest, credential_id: UUID) -> Credential:
    return get_object_or_404(Credential.objects.of(request.workspace).select_related("workspace"), pk=credential_id)
