"""Pages: API tokens."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods

from accounts.errors import Invalid
from accounts.forms.tokens import TokenForm
from accounts.models import ApiToken
from accounts.permissions import workspace_view
from accounts.requests import WorkspaceRequest
from accounts.services import tokens


@require_http_methods(["GET"])
@workspace_view("token.manage")
def token_list(request: WorkspaceRequest) -> HttpResponse:
    """The member's own tokens, or all of them."""
    now = timezone.now()
    found = ApiToken.objects.visible_to(request.membership).select_related("creator")
    rows = [(token, token.state(now)) for token in found]
    return render(request, "accounts/tokens.html", {"rows": rows})


@require_http_methods(["GET", "POST"])
@workspace_view("token.manage")
def token_create(request: WorkspaceRequest) -> HttpResponse:
    """The form; its answer shows the token, and nothing shows it again."""
    form = TokenForm(
        request.POST if request.method == "POST" else None, grantable=tokens.grantable_scopes(request.membership)
    )
    if request.method == "POST" and form.is_valid():
        try:
            made = tokens.create(workspace=request.workspace, creator=request.user, **form.cleaned_data)
        except Invalid as error:
            form.add_error("scopes", str(error))
        else:
            return render(request, "accounts/token_created.html", {"made": made})
    return render(request, "accounts/token_form.html", {"form": form}, status=400 if form.errors else 200)


@require_http_methods(["POST"])
@workspace_view("token.manage")
def token_revoke(request: WorkspaceRequest, token_id: UUID) -> HttpResponse:
    """End a token that the member may see."""
    visible = ApiToken.objects.visible_to(request.membership).select_related("workspace")
    token = get_object_or_404(visible, pk=token_id)
    tokens.revoke(token=token)
    messages.success(request, f"{token.name} is revoked. What used it gets 401 from now on.")
    return redirect("tokens", workspace=request.workspace.slug)
