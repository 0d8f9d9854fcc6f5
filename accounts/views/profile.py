"""Page: what people change about themselves."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from accounts.forms.workspace import ProfileForm
from accounts.models import Membership
from accounts.permissions import signed_in_view
from accounts.requests import SignedInRequest
from accounts.services import profile as services


@require_http_methods(["GET", "POST"])
@signed_in_view
def profile(request: SignedInRequest) -> HttpResponse:
    """The name; the password has a page of allauth."""
    form = ProfileForm(request.POST if request.method == "POST" else None, initial={"name": request.user.name})
    if request.method == "POST" and form.is_valid():
        services.rename(user=request.user, name=form.cleaned_data["name"])
        messages.success(request, "Your profile is saved.")
        return redirect("profile")
    memberships = Membership.objects.filter(user=request.user).select_related("workspace").order_by("workspace__name")
    context = {"form": form, "memberships": memberships}
    return render(request, "accounts/profile.html", context, status=400 if form.errors else 200)
