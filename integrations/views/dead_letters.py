"""Page: the list of dead letters, grouped by their reasons on top."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.db.models import Count, Min, QuerySet
from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from accounts.paging import Page, page_of
from accounts.permissions import workspace_view
from accounts.requests import WorkspaceRequest
from integrations.domain.lifecycle import DeadLetterState
from integrations.forms import dead_letter as forms
from integrations.models import DeadLetter, Integration
from integrations.models.dead_letter import REDRIVABLE

GROUPS = 8


@dataclass(frozen=True)
class Reason:
    """Letters that were set aside for the same reason; `query` is the list narrowed to them."""

    code: str
    field: str
    count: int
    records: int
    example: str
    query: str
    is_chosen: bool


@require_GET
@workspace_view("deadletter.read")
def dead_letter_list(request: WorkspaceRequest) -> HttpResponse:
    """Newest first, the open ones unless the address says otherwise; the rows alone for the live page."""
    form = forms.DeadLetterFilterForm(request.GET, workspace=request.workspace)
    kept = {name: request.GET[name] for name in forms.FILTERS if request.GET.get(name)}
    context: dict[str, Any] = {"form": form, "chosen": kept, "state": DeadLetterState.OPEN.value}
    if form.is_valid():
        context |= _found(request, form, kept)
    status = 200 if form.is_valid() else 400
    if request.htmx.target == "letters" and request.htmx.trigger == "letters":
        return render(request, "integrations/_dead_letter_rows.html", context, status=status)
    context |= {
        "narrowed": [(name, kept[name]) for name in ("run", "batch", "code", "field") if name in kept],
        "states": forms.STATES,
        "integrations": list(Integration.objects.of(request.workspace).values_list("pk", "name")),
    }
    return render(request, "integrations/dead_letter_list.html", context, status=status)


def _found(request: WorkspaceRequest, form: forms.DeadLetterFilterForm, kept: dict[str, str]) -> dict[str, Any]:
    letters = DeadLetter.objects.of(request.workspace)
    reasons = _reasons(form.narrow(letters, with_reason=False), kept)
    before, after = form.cleaned_data["before"], form.cleaned_data["after"]
    rows = form.narrow(letters).select_related("integration").defer("payload")
    page: Page[DeadLetter] = page_of(rows, field="id", before=str(before or ""), after=str(after or ""))
    matching = [reason for reason in reasons if reason.is_chosen] or reasons
    return {
        "state": form.chosen_state,
        "letters": page.rows,
        "reasons": reasons[:GROUPS],
        "total": sum(reason.count for reason in matching),
        "redrivable": sum(reason.records for reason in matching),
        "may_choose": any(request.access.allows(f"deadletter.{act}") for act in ("redrive", "discard")),
        "query": urlencode(kept),
        "older": urlencode({**kept, "before": page.before}) if page.before else "",
        "newer": urlencode({**kept, "after": page.after}) if page.after else "",
        "has_open": any(letter.state == DeadLetterState.OPEN for letter in page.rows),
    }


def _reasons(letters: QuerySet[DeadLetter], kept: dict[str, str]) -> list[Reason]:
    """All reasons of these letters, the most frequent first."""
    rows = (
        letters.order_by()
        .values("code", "field")
        .annotate(count=Count("id"), records=Count("id", filter=REDRIVABLE), example=Min("reason"))
    )
    others = {name: value for name, value in kept.items() if name not in ("code", "field")}
    ordered = sorted(rows, key=lambda row: (-row["count"], row["code"], row["field"]))
    return [_reason(dict(row), others, kept) for row in ordered]


def _reason(row: dict[str, Any], others: dict[str, str], kept: dict[str, str]) -> Reason:
    code, field = row["code"], row["field"]
    by_reason = {"code": code, **({"field": field} if field else {})}
    is_chosen = kept.get("code") == code and kept.get("field", field) == field
    query = urlencode(others if is_chosen else {**others, **by_reason})
    return Reason(**row, query=query, is_chosen=is_chosen)
