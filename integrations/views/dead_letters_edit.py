"""Page: correct the record of a dead letter, with what the mapping would make of it beside."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_POST

from accounts.errors import Conflict, SignalboxError
from accounts.permissions import workspace_view
from accounts.requests import WorkspaceRequest
from integrations.domain.lifecycle import DeadLetterState
from integrations.domain.mapping.reads import columns_read
from integrations.forms.dead_letter_record import (
    KINDS,
    FieldRow,
    record_of_rows,
    rows_of_post,
    rows_of_raw,
    rows_of_record,
)
from integrations.models import DeadLetter, Deployment, IntegrationVersion
from integrations.services import dead_letters
from integrations.services.dead_letter_trial import try_one
from integrations.services.masking import HIDDEN_RAW, shown_record
from integrations.services.redriven import schema_of
from integrations.views.dead_letters_detail import failing_part
from integrations.views.runs_words import active_run_notice


@require_http_methods(["GET", "HEAD", "POST"])
@workspace_view("deadletter.payload.read")
def dead_letter_edit(request: WorkspaceRequest, letter_id: UUID) -> HttpResponse:
    """The fields of the record; saved as a correction beside what was read, and redriven at once where asked for."""
    letter = _letter(request, letter_id)
    if request.method != "POST":
        return _page(request, letter, _rows(letter))
    record, rows = record_of_rows(rows_of_post(request.POST))
    if any(row.problem for row in rows):
        return _page(request, letter, rows, status=400)
    try:
        edited = dead_letters.edit(letter=letter, record=record, user=request.user)
    except SignalboxError as error:
        messages.error(request, f"{error.message} {error.what_to_do}")
        return _page(request, letter, rows, status=409 if isinstance(error, Conflict) else 400)
    if "redrive" in request.POST:
        return _redrive(request, edited)
    messages.success(request, "The correction is saved. What was read is kept beside it.")
    return redirect("dead-letter-detail", request.workspace.slug, letter.pk)


@require_POST
@workspace_view("deadletter.payload.read")
def dead_letter_try(request: WorkspaceRequest, letter_id: UUID) -> HttpResponse:
    """What the active version would make of the fields as they stand in the form; nothing is saved."""
    letter = _letter(request, letter_id)
    record, rows = record_of_rows(rows_of_post(request.POST))
    return render(request, "integrations/_dead_letter_try.html", _trial(letter, record, rows))


def _letter(request: WorkspaceRequest, letter_id: UUID) -> DeadLetter:
    if not request.access.allows("deadletter.redrive"):
        raise PermissionDenied
    related = ("integration", "workspace", "run__version", "edited_by")
    return get_object_or_404(DeadLetter.objects.of(request.workspace).select_related(*related), pk=letter_id)


def _rows(letter: DeadLetter) -> list[FieldRow]:
    """The record's fields; of what never became one, the columns of its stream."""
    if letter.is_redrivable:
        return rows_of_record(shown_record(letter, dead_letters.record_of(letter)))
    try:
        names = schema_of(DeadLetter.objects.filter(pk=letter.pk)).names
    except SignalboxError:
        return []  # the run ended before it knew a schema; the page says so
    raw = _raw(letter)
    return rows_of_raw("" if raw == HIDDEN_RAW else raw, names)


def _raw(letter: DeadLetter) -> str:
    return str(shown_record(letter, dead_letters.payload_of(letter)).get("raw", ""))


def _page(request: WorkspaceRequest, letter: DeadLetter, rows: Sequence[FieldRow], status: int = 200) -> HttpResponse:
    record, judged = record_of_rows(rows)
    shown = judged if status != 200 else list(rows)
    context = {
        "letter": letter,
        "rows": shown,
        "kinds": KINDS,
        "is_open": letter.state == DeadLetterState.OPEN,
        "marked": _read_by_failing(letter, [row.name for row in rows]),
        "raw": "" if letter.is_record else _raw(letter),
        **_trial(letter, record, judged),
    }
    return render(request, "integrations/dead_letter_edit.html", context, status=status)


def _read_by_failing(letter: DeadLetter, names: Sequence[str]) -> frozenset[str]:
    """The fields that the expression reads which set the record aside: what a person looks for first."""
    failing = failing_part(letter)
    return columns_read(failing.expression, dict.fromkeys(names)) if failing else frozenset()


def _trial(letter: DeadLetter, record: dict[str, Any], rows: Sequence[FieldRow]) -> dict[str, Any]:
    version = _active_version(letter)
    problems = [row for row in rows if row.problem]
    tried = try_one(letter=letter, record=record, version=version) if version and record and not problems else None
    return {"tried": tried, "version": version, "problems": problems}


def _active_version(letter: DeadLetter) -> IntegrationVersion | None:
    deployment = Deployment.objects.filter(integration=letter.integration_id).select_related("version").first()
    return deployment.version if deployment else None


def _redrive(request: WorkspaceRequest, letter: DeadLetter) -> HttpResponse:
    deployment = Deployment.objects.of(request.workspace).select_related("workspace", "integration", "version")
    try:
        run = dead_letters.redrive(
            deployment=deployment.get(integration=letter.integration_id), letter_ids=[letter.pk], user=request.user
        )
    except Conflict as error:
        messages.error(request, active_run_notice(request.workspace.slug, error))
        return redirect("dead-letter-detail", request.workspace.slug, letter.pk)
    messages.success(request, "The corrected record is sent again.")
    return redirect("run-detail", request.workspace.slug, run.pk)
