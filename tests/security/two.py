"""Two workspaces side by side: what a member of one is shown must not change by what the other holds."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.apps import apps
from django.db import connection
from django.db.models import CharField, Model, QuerySet, TextField
from django.test import Client

from accounts.models import Workspace, audit_guard
from tests.examples import MAKERS, Shelf
from tests.permission_routes import Route, routes

CANARY = "zxcanary"
# Words that people or other systems chose; the rest of a row are codes that pages look up.
_WORDS = {"name", "description", "reason", "note", "object_label", "actor_label", "host", "message", "column", "key_id"}
# What differs between two answers to the same question: times, tokens, and where the one log of events ends.
_PASSING = (
    r'name="csrfmiddlewaretoken" value="[^"]*"|csrf-?token[^>]*>|"X-CSRFToken": ?"[^"]*"|nonce="[^"]*"',
    r'data-(live-)?cursor="[^"]*"|name="live-cursor"[^>]*>|cursor":"[^"]*"',
    r'"trace_id": ?"[0-9a-f]*"|[Tt]race (id )?<code>[0-9a-f]+',
    r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d)?(\.\d+)?(Z| UTC|\+00:00)?|\d\d:\d\d:\d\d",
    r"(in )?\d+ (s|min)( ago)?|just now|\d+(\.\d+)? ms|\d+\.\d s",
)
_PASSING_FORM = re.compile("|".join(_PASSING))


def tenant_models() -> list[type[Model]]:
    """Every table of a workspace."""
    return [
        model
        for app in ("accounts", "integrations", "monitoring")
        for model in apps.get_app_config(app).get_models()
        if any(field.name == "workspace" for field in model._meta.get_fields())
    ]


def fill(shelf: Shelf) -> None:
    """One of everything that an address can name."""
    for argument in MAKERS:
        shelf.value(argument)


def rows_of(model: type[Model], workspace: Workspace) -> QuerySet[Any]:
    """A table's rows of one workspace."""
    return model._base_manager.filter(workspace=workspace)


def brand(workspace: Workspace) -> None:
    """Write the canary into every word that somebody chose in a workspace."""
    # Past the guards: some of these rows are never altered by the product itself.
    audit_guard.remove(connection)
    for model in tenant_models():
        words = [f for f in model._meta.fields if isinstance(f, CharField | TextField) and f.name in _WORDS]
        for number, row in enumerate(rows_of(model, workspace)):
            values = {f.name: f"{CANARY}{number}-{f.name}"[: f.max_length or 80] for f in words}
            if values:
                _write_past_guards(model, row.pk, values)
    audit_guard.install(connection)
    Workspace.objects.filter(pk=workspace.pk).update(name=f"{CANARY} workspace")


def _write_past_guards(model: type[Model], key: object, values: dict[str, str]) -> None:
    QuerySet(model).filter(pk=key).update(**values)


def traces(workspace: Workspace) -> list[str]:
    """What must not be seen of a workspace: the canary, its slug, and the id of each of its rows."""
    ids = {str(row.pk) for model in tenant_models() for row in rows_of(model, workspace) if isinstance(row.pk, UUID)}
    return [CANARY, str(workspace.pk), f"/{workspace.slug}/", *sorted(ids)]


def readable() -> list[Route]:
    """Every address below a workspace that a GET may answer."""
    known = [route for route in routes() if route.has_examples and "workspace" in route.arguments]
    return [route for route in known if "GET" in route.methods]


def look(client: Client, url: str, query: dict[str, str] | None = None) -> tuple[int, str]:
    """Status and body; a stream is closed unread."""
    answer = client.get(f"{url}?{urlencode(query)}" if query else url)
    if getattr(answer, "streaming", False):
        return answer.status_code, ""
    return answer.status_code, f"{answer.headers.get('Location', '')}\n{answer.content.decode(errors='replace')}"


def lasting(text: str) -> str:
    """An answer without what passes with time."""
    return _PASSING_FORM.sub("~", text)


def first_difference(one: str, other: str) -> str:
    """Where two answers part, for the failure's message."""
    pairs: Iterator[tuple[str, str]] = zip(one.splitlines(), other.splitlines(), strict=False)
    return next((f"{a.strip()[:200]!r} became {b.strip()[:200]!r}" for a, b in pairs if a != b), "its length")
