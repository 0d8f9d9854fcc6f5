"""Pages: the way to a workspace, its settings, and a new one."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from accounts.errors import Conflict, Invalid
from accounts.forms.workspace import NewWorkspaceForm, WorkspaceForm
from accounts.models import Membership, StatusPage
from accounts.permissions import instance_view, signed_in_view, workspace_view
from accounts.requests import SignedInRequest, WorkspaceRequest
from accounts.services import workspaces


@require_http_methods(["GET"])
@signed_in_view
def home(request: SignedInRequest) -> HttpResponse:
    """Straight to the only workspace, or a choice."""
    found = list(Membership.objects.filter(user=request.user).select_related("workspace").order_by("workspace__name"))
    if len(found) == 1:
        return redirect(found[0].workspace.get_absolute_url())
    return render(request, "accounts/home.html", {"memberships": found})


@require_http_methods(["GET", "POST"])
@workspace_view("workspace.read", POST="workspace.manage")
def workspace_settings(request: WorkspaceRequest) -> HttpResponse:
    """Name and status page; those who may not change them see them."""
    workspace = request.workspace
    initial = {"name": workspace.name, "status_page": workspace.status_page}
    form = WorkspaceForm(request.POST if request.method == "POST" else None, initial=initial)
    if not request.access.allows("workspace.manage"):
        for field in form.fields.values():
            field.disabled = True
    if request.method == "POST" and form.is_valid():
        chosen = StatusPage(form.cleaned_data["status_page"])
        workspaces.update(workspace=workspace, name=form.cleaned_data["name"], status_page=chosen)
        messages.success(request, "The settings are saved.")
        return redirect("workspace-settings", workspace=workspace.slug)
    return render(request, "accounts/settings.html", {"form": form}, status=400 if form.errors else 200)


@require_http_methods(["GET", "POST"])
@instance_view("instance.manage")
def workspace_create(request: SignedInRequest) -> HttpResponse:
    """A new workspace, owned by the instance admin who makes it."""
    form = NewWorkspaceForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        try:
            made = workspaces.create(owner=request.user, **form.cleaned_data)
        except (Conflict, Invalid) as error:
            form.add_error("slug", str(error))
        else:
            return redirect("workspace-settings", workspace=made.slug)
    return render(request, "accounts/workspace_form.html", {"form": form}, status=400 if form.errors else 200)
