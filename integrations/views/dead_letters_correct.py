"""Page: correct many dead letters at once by expressions, with what would become of them before it is kept."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_POST

from accounts.errors import Conflict, Invalid, SignalboxError
from accounts.permissions import workspace_view
from accounts.requests import WorkspaceRequest
from accounts.templatetags.signalbox import number
from integrations.forms import dead_letter as forms
from integrations.forms.dead_letter_settings import SettingRow, rows_of_post, settings_of
from integrations.models import DeadLetter, Deployment, Integration
from integrations.models.dead_letter import REDRIVABLE
from integrations.pipeline.batch import columns_of
from integrations.services import dead_letter_bulk, dead_letters
from integrations.services.dead_letter_bulk import Applied, Preview, Shown
from integrations.services.redriven import schema_of
from integrations.views.dead_letters_detail import Correction, corrections_of
from integrations.views.runs_words import active_run_notice


@dataclass(frozen=True)
class Row:
    """One of the first letters, and the fields of it that would change."""

    shown: Shown
    corrections: list[Correction]


@require_POST
@workspace_view("deadletter.payload.read")
def dead_letter_correct(request: WorkspaceRequest) -> HttpResponse:
    """The settings as they were given, and what they would do; kept where that is asked for."""
    if not request.access.allows("deadletter.redrive"):
        raise PermissionDenied
    form = forms.ChoiceForm(request.POST, workspace=request.workspace)
    form.is_valid()
    letters = form.letters()
    integrations = list(Integration.objects.filter(pk__in=letters.order_by().values("integration")).order_by("name"))
    if not integrations:
        messages.error(request, "No open dead letter was chosen. Tick some, or all that the filter shows.")
        return redirect(_list(request, form))
    chosen = next((each for each in integrations if str(each.pk) == request.POST.get("integration")), integrations[0])
    letters = letters.filter(integration=chosen)
    rows = rows_of_post(request.POST)
    act = request.POST.get("act", "")
    try:
        if act in ("apply", "redrive"):
            return _apply(request, form, chosen, letters, rows)
        found = _preview(letters, chosen, rows) if act == "try" else {}
    except SignalboxError as error:
        found = _refused(error)
    return _page(request, form, integrations, chosen, letters, rows, found)


def _page(
    request: WorkspaceRequest,
    form: forms.ChoiceForm,
    integrations: list[Integration],
    chosen: Integration,
    letters: QuerySet[DeadLetter],
    rows: list[SettingRow],
    found: dict[str, Any],
) -> HttpResponse:
    problems = found.get("problems", {})
    context = {
        "form": form,
        "query": form.query,
        "ticked": request.POST.getlist("letter")[:200],
        "integrations": [(each.pk, each.name) for each in integrations],
        "integration": chosen,
        "rows": [(row, problems.get(f"set.{place}", "")) for place, row in enumerate(rows)],
        "columns": _columns(letters),
        "count": letters.count(),
        "records": letters.filter(REDRIVABLE).count(),
        "at_most": dead_letter_bulk.CORRECTED_AT_MOST,
        **found,
    }
    return render(request, "integrations/dead_letter_correct.html", context, status=found.get("status", 200))


def _columns(letters: QuerySet[DeadLetter]) -> list[tuple[str, str]]:
    """The columns that can be set, with their types; none where no run knew them, and the page says so."""
    try:
        return list(columns_of(schema_of(letters.order_by())).items())
    except SignalboxError:
        return []


def _preview(letters: QuerySet[DeadLetter], integration: Integration, rows: list[SettingRow]) -> dict[str, Any]:
    version = Deployment.objects.select_related("version").get(integration=integration).version
    found: Preview = dead_letter_bulk.preview(letters=letters, settings=settings_of(rows), version=version)
    shown = [Row(row, corrections_of(row.before, row.after)) for row in found.rows]
    return {"preview": found, "shown": shown}


def _refused(error: SignalboxError) -> dict[str, Any]:
    fields = error.fields if isinstance(error, Invalid) else {}
    at_rows = any(name.startswith("set.") for name in fields)
    return {
        "problems": fields,
        "problem": None if at_rows else error,
        "status": 409 if isinstance(error, Conflict) else 400,
    }


def _apply(
    request: WorkspaceRequest,
    form: forms.ChoiceForm,
    integration: Integration,
    letters: QuerySet[DeadLetter],
    rows: list[SettingRow],
) -> HttpResponse:
    applied = dead_letter_bulk.apply(
        integration=integration, letters=letters, settings=settings_of(rows), user=request.user
    )
    if applied.letters:
        messages.success(request, _words(applied))
    else:
        messages.error(request, f"No record was changed. {_rest(applied)}".strip())
    if request.POST.get("act") == "redrive" and applied.letters:
        return _redrive(request, form, integration, applied.letters)
    return redirect(_list(request, form))


def _redrive(
    request: WorkspaceRequest, form: forms.ChoiceForm, integration: Integration, letters: tuple[UUID, ...]
) -> HttpResponse:
    deployment = Deployment.objects.select_related("workspace", "integration", "version").get(integration=integration)
    try:
        run = dead_letters.redrive(deployment=deployment, letter_ids=letters, user=request.user)
    except Conflict as error:
        messages.error(request, active_run_notice(request.workspace.slug, error))
        return redirect(_list(request, form))
    return redirect("run-detail", request.workspace.slug, run.pk)


def _words(applied: Applied) -> str:
    count = len(applied.letters)
    words = f"{number(count)} record{'s are' if count != 1 else ' is'} corrected; what was read is kept beside."
    return f"{words} {_rest(applied)}".strip()


def _rest(applied: Applied) -> str:
    parts = [
        (applied.conflicts, "resolved, corrected or sent by somebody else meanwhile"),
        (applied.failed, "left as they were, since an expression made nothing of them"),
        (applied.unchanged, "were so already"),
    ]
    return " ".join(f"{number(count)}: {words}." for count, words in parts if count)


def _list(request: WorkspaceRequest, form: forms.ChoiceForm) -> str:
    """The list as it was filtered."""
    given = QueryDict(form.query)
    kept = {name: given[name] for name in forms.FILTERS if given.get(name)}
    return reverse("dead-letter-list", args=[request.workspace.slug]) + (f"?{urlencode(kept)}" if kept else "")
