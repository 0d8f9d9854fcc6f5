"""Page: one dead letter: why it was set aside, its record, and what to do."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.http import HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_GET

from accounts.errors import CATALOGUE
from accounts.permissions import workspace_view
from accounts.requests import WorkspaceRequest
from integrations.domain.lifecycle import DeadLetterState
from integrations.domain.mapping.reads import columns_read
from integrations.forms import dead_letter as forms
from integrations.models import DeadLetter, Deployment
from integrations.services.dead_letter_lineage import lineage_of
from integrations.services.dead_letters import payload_of, record_of
from integrations.services.masking import shown_record
from integrations.services.repeated import standing_for

_FILTER = "filter"
_NOT_THERE = "\N{EN DASH}"


@dataclass(frozen=True)
class Failing:
    """The part of the mapping that set the record aside."""

    name: str
    expression: str
    type: str
    is_required: bool


@dataclass(frozen=True)
class Correction:
    """A field that a person corrected, before and after, as text."""

    name: str
    before: str
    after: str


@dataclass(frozen=True)
class Value:
    """One field of the record; `is_marked` where the failing expression reads it."""

    name: str
    text: str
    kind: str
    is_marked: bool


@require_GET
@workspace_view("deadletter.read")
def dead_letter_detail(request: WorkspaceRequest, letter_id: UUID) -> HttpResponse:
    """The letter; its record where the role may see payloads."""
    related = ("integration", "run__version", "redrive", "edited_by")
    hidden = ("run__schema", "run__cursor", "run__start_cursor", "redrive__schema", "redrive__cursor")
    rows = DeadLetter.objects.of(request.workspace).select_related(*related).defer(*hidden)
    letter = get_object_or_404(rows, pk=letter_id)
    entry = CATALOGUE.get(letter.code)
    deployment = Deployment.objects.of(request.workspace).filter(integration=letter.integration_id)
    context = {
        "letter": letter,
        "integration": letter.integration,
        "meaning": entry.meaning if entry else "",
        "what_to_do": entry.what_to_do if entry else "Correct the record or the mapping, then redrive it.",
        "failing": failing_part(letter),
        "active_version": deployment.values_list("version__number", flat=True).first(),
        "is_open": letter.state == DeadLetterState.OPEN,
        "lineage": lineage_of(letter),
        "standing": standing_for(letter),
        **_neighbours(request, letter),
    }
    if request.access.allows("deadletter.payload.read"):
        context |= _record(letter, context["failing"])
    return render(request, "integrations/dead_letter_detail.html", context)


def failing_part(letter: DeadLetter) -> Failing | None:
    """The mapping's rule for the letter's field, as it stood in the version that read the record."""
    mapping = letter.run.version.mapping
    if letter.field == _FILTER and mapping.get("filter"):
        return Failing("the filter", mapping["filter"], "boolean", is_required=False)
    for rule in mapping.get("fields", []):
        if letter.field and rule["target"][:120] == letter.field:
            return Failing(rule["target"], rule["expression"], rule["type"], rule.get("required", False))
    return None


def values_of(payload: Mapping[str, Any], failing: Failing | None) -> list[Value]:
    """The record's fields as text; those that the failing expression reads come first."""
    read = columns_read(failing.expression, payload) if failing else frozenset()
    values = [Value(name, _text(value), _kind(value), name in read) for name, value in payload.items()]
    return sorted(values, key=lambda value: not value.is_marked)


def _record(letter: DeadLetter, failing: Failing | None) -> dict[str, Any]:
    payload = shown_record(letter, payload_of(letter))
    corrected = shown_record(letter, record_of(letter)) if letter.edited else {}
    corrections = corrections_of(payload if letter.is_record else {}, corrected) if letter.edited else []
    if not letter.is_record:
        return {"raw": _text(payload.get("raw", "")), "corrections": corrections}
    return {
        "values": values_of(payload, failing),
        "json": json.dumps(payload, ensure_ascii=False, indent=2),
        "corrections": corrections,
    }


def corrections_of(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Correction]:
    """The fields that differ, in the order of the record."""
    names = [*after, *(name for name in before if name not in after)]
    return [
        Correction(name, *(_text(side[name]) if name in side else _NOT_THERE for side in (before, after)))
        for name in names
        if name not in before or name not in after or before[name] != after[name]
    ]


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _kind(value: Any) -> str:
    if value is None:
        return "null"
    return _KINDS.get(type(value), type(value).__name__)


_KINDS = {str: "text", bool: "boolean", int: "number", float: "number", dict: "object", list: "list"}


def _neighbours(request: WorkspaceRequest, letter: DeadLetter) -> dict[str, Any]:
    """The letters before and after this one in the list that the reader came from."""
    form = forms.DeadLetterFilterForm(request.GET, workspace=request.workspace)
    letters = DeadLetter.objects.of(request.workspace)
    letters = form.narrow(letters) if form.is_valid() else letters.none()
    kept = {name: request.GET[name] for name in forms.FILTERS if request.GET.get(name)}
    return {
        "query": urlencode(kept),
        "newer": letters.filter(id__gt=letter.pk).order_by("id").values_list("pk", flat=True).first(),
        "older": letters.filter(id__lt=letter.pk).order_by("-id").values_list("pk", flat=True).first(),
    }
