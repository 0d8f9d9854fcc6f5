"""Asks for the typed name before something is deleted for good, and says who still uses it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse

from accounts.errors import Conflict
from accounts.requests import WorkspaceRequest

# A user of the object: its name, the URL name of its page, its id.
User = tuple[str, str, UUID]


def confirm_deletion(
    request: WorkspaceRequest,
    *,
    word: str,
    name: str,
    delete: Callable[[], None],
    back: tuple[str, UUID | None],
    lost: str,
    users: Sequence[User],
) -> HttpResponse:
    """GET asks, POST with the name in `confirm` deletes; `word` is the glossary's for the object."""
    slug = request.workspace.slug
    problem, error = "", None
    if request.method == "POST" and request.POST.get("confirm", "").strip() != name:
        problem = f"That is not {name}."
    elif request.method == "POST":
        try:
            delete()
        except Conflict as conflict:
            error = conflict
        else:
            messages.success(request, f"The {word} {name} is deleted.")
            return redirect(f"{word}-list", slug)
    url_name, key = back
    context = {
        "word": word,
        "name": name,
        "lost": lost,
        "problem": problem,
        "error": error,
        "list_href": reverse(f"{word}-list", args=[slug]),
        "back_href": reverse(url_name, args=[slug, key] if key else [slug]),
        "users": [(user, reverse(page, args=[slug, pk])) for user, page, pk in users],
    }
    status = 409 if error else 400 if problem else 200
    return render(request, "integrations/confirm_deletion.html", context, status=status)
