"""Pages: who is in the workspace, and as what."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods

from accounts.errors import Conflict, Denied
from accounts.forms.members import ROLE_NOTES, AddMemberForm, RemoveMemberForm, RoleForm, assignable
from accounts.models import Membership
from accounts.permissions import workspace_view
from accounts.requests import WorkspaceRequest
from accounts.services import members


@require_http_methods(["GET", "POST"])
@workspace_view("member.read", POST="member.manage")
def member_list(request: WorkspaceRequest) -> HttpResponse:
    """The list; POST adds somebody and shows a new account's password, this once."""
    form = AddMemberForm(request.POST if request.method == "POST" else None, by=request.membership)
    added = None
    if request.method == "POST" and form.is_valid():
        try:
            added = members.add(
                workspace=request.workspace,
                by=request.membership,
                email=form.cleaned_data["email"],
                role=form.role_chosen(),
                name=form.cleaned_data["name"],
            )
        except (Conflict, Denied) as error:
            form.add_error("email", str(error))
        else:
            form = AddMemberForm(by=request.membership)
    found = Membership.objects.of(request.workspace).select_related("user")
    context = {
        "members": found,
        "form": form,
        "added": added,
        "roles": assignable(request.membership),
        "notes": [(role.value, note) for role, note in ROLE_NOTES.items()],
    }
    return render(request, "accounts/members.html", context, status=400 if form.errors else 200)


@require_http_methods(["POST"])
@workspace_view("role.assign")
def member_role(request: WorkspaceRequest, member_id: UUID) -> HttpResponse:
    """Change a role; a refusal is told on the list."""
    membership = _member(request, member_id)
    form = RoleForm(request.POST, by=request.membership)
    if not form.is_valid():
        messages.error(request, "That role cannot be given. Choose one of the list.")
        return redirect("members", workspace=request.workspace.slug)
    members.change_role(membership=membership, by=request.membership, role=form.role_chosen())
    messages.success(request, f"{membership.user.email} is now {membership.role}.")
    return redirect("members", workspace=request.workspace.slug)


@require_http_methods(["GET", "POST"])
@workspace_view("member.manage")
def member_remove(request: WorkspaceRequest, member_id: UUID) -> HttpResponse:
    """Ask for the address, then remove."""
    membership = _member(request, member_id)
    form = RemoveMemberForm(request.POST if request.method == "POST" else None, email=membership.user.email)
    if request.method == "POST" and form.is_valid():
        members.remove(membership=membership, by=request.membership)
        messages.success(request, f"{membership.user.email} is no longer a member.")
        return redirect("members", workspace=request.workspace.slug)
    context = {"member": membership, "form": form}
    return render(request, "accounts/member_remove.html", context, status=400 if form.errors else 200)


def _member(request: WorkspaceRequest, member_id: UUID) -> Membership:
    return get_object_or_404(Membership.objects.of(request.workspace).select_related("user", "workspace"), pk=member_id)
