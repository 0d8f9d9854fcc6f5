"""Parts of a run's page that are read in pieces: its batches and its log."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_GET

from accounts.permissions import workspace_view
from accounts.requests import WorkspaceRequest
from integrations.models import Event, Run, RunBatch

BATCHES = 10
LINES = 200
# The database's integers end here; a larger number in the address is none of ours.
_DIGITS = 9


@dataclass(frozen=True)
class BatchRow:
    """A batch, how long it took to be stored, and its cursor as text."""

    batch: RunBatch
    took: timedelta | None
    cursor: str


@require_GET
@workspace_view("run.read")
def run_batches(request: WorkspaceRequest, run_id: UUID) -> HttpResponse:
    """The newest batches, or those before `?before=`."""
    context = batches_context(_run(request, run_id), before=request.GET.get("before", ""))
    return render(request, "integrations/_run_batches.html", context)


@require_GET
@workspace_view("run.logs.read")
def run_log(request: WorkspaceRequest, run_id: UUID) -> HttpResponse:
    """Lines after `?after=` for the live page, or the ones before `?before=`."""
    run = _run(request, run_id)
    after, before = _number(request.GET.get("after", "")), _number(request.GET.get("before", ""))
    if after is not None:
        lines = list(_lines(run).filter(seq__gt=after).order_by("seq")[:LINES])
        last = lines[-1].seq if lines else after
        return render(request, "integrations/_run_log_new.html", {"run": run, "lines": lines, "last_seq": last})
    return render(request, "integrations/_run_log_older.html", log_context(run, before=before))


def batches_context(run: Run, *, before: str) -> dict[str, Any]:
    """A page of batches, newest first."""
    number = _number(before)
    rows = RunBatch.objects.filter(run=run).order_by("-number")
    if number is not None:
        rows = rows.filter(number__lt=number)
    found = list(rows[: BATCHES + 1])
    has_more = len(found) > BATCHES
    return {
        "run": run,
        "batches": [BatchRow(batch, _took(batch), cursor_text(batch.cursor)) for batch in found[:BATCHES]],
        "batches_before": number,
        "older_batches": found[BATCHES - 1].number if has_more else None,
    }


def log_context(run: Run, *, before: int | None = None) -> dict[str, Any]:
    """The newest lines, or the ones before a number; oldest first, as a log is read."""
    rows = _lines(run)
    if before is not None:
        rows = rows.filter(seq__lt=before)
    found = list(rows.order_by("-seq")[: LINES + 1])
    lines = list(reversed(found[:LINES]))
    return {
        "run": run,
        "lines": lines,
        "last_seq": lines[-1].seq if lines else 0,
        "older_seq": lines[0].seq if len(found) > LINES else None,
    }


def cursor_text(cursor: Any) -> str:
    """A cursor as people read it: JSON as it is stored, whatever its connector put in."""
    return json.dumps(cursor, ensure_ascii=False)


def _took(batch: RunBatch) -> timedelta | None:
    return batch.committed_at - batch.prepared_at if batch.committed_at else None


def _lines(run: Run) -> QuerySet[Event]:
    return Event.objects.filter(run_id=run.pk, seq__isnull=False)


def _run(request: WorkspaceRequest, run_id: UUID) -> Run:
    return get_object_or_404(Run.objects.with_partitions_of(request.workspace).only("id", "workspace"), pk=run_id)


def _number(text: str) -> int | None:
    return int(text) if text.isdecimal() and text.isascii() and len(text) <= _DIGITS else None
