"""Pieces of the integration editor that answer while somebody types: streams, proposal, preview, next times."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from django.http import HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_GET, require_POST

from accounts.errors import SignalboxError
from accounts.permissions import workspace_view
from accounts.requests import WorkspaceRequest
from integrations.connectors.base import Stream
from integrations.domain.mapping import identity_mapping
from integrations.domain.schedule import upcoming
from integrations.forms.integration import IntegrationForm, ScheduleForm
from integrations.forms.integration_rules import TYPES, RuleRow, rows_of_post, with_proposal
from integrations.models import Connector
from integrations.pipeline.batch import columns_of
from integrations.services import connectors
from integrations.views.integrations_notes import sheet_of
from integrations.views.integrations_samples import try_mapping

TIMES = 5
RULES_CHANGED = "rules-changed"


@dataclass(frozen=True)
class Offer:
    """What a source offers: its streams, the chosen one with its columns, or why it cannot tell."""

    streams: list[Stream]
    chosen: Stream | None = None
    columns: dict[str, str] | None = None
    error: SignalboxError | None = None


@require_GET
@workspace_view("integration.manage")
def source_fields(request: WorkspaceRequest) -> HttpResponse:
    """The streams of the chosen source, and what is known of the chosen stream."""
    source = source_of(request, request.GET.get("source", ""))
    offer = offer_of(source, request.GET.get("source_stream", "").strip()) if source else None
    form = IntegrationForm(workspace=request.workspace, is_new=False, initial=_proposed_fields(request, offer))
    # As pairs: a column may be called "items", which a template would find before the method.
    columns = list((offer.columns or {}).items()) if offer else []
    context = {"offer": offer, "columns": columns, "form": form, "source": source}
    return render(request, "integrations/_integration_offer.html", context)


@require_POST
@workspace_view("integration.manage")
def propose(request: WorkspaceRequest) -> HttpResponse:
    """The rows of the mapping, and one more for each column of the source that is not in it yet."""
    rows, problem = proposed_rows(request)
    sheet = sheet_of(rows)
    context = {"sheet": sheet, "proposal_error": problem, "types": TYPES, "filter": request.POST.get("filter", "")}
    response = render(request, "integrations/_integration_rules.html", context)
    response.headers["HX-Trigger-After-Settle"] = RULES_CHANGED
    return response


@require_POST
@workspace_view("integration.manage")
def preview(request: WorkspaceRequest) -> HttpResponse:
    """What the mapping makes of sample records; notes go out of band to the rows that they are about."""
    source = source_of(request, request.POST.get("source", ""))
    trial = try_mapping(
        source=source,
        stream=request.POST.get("source_stream", "").strip(),
        rows=rows_of_post(request.POST),
        condition=request.POST.get("filter", ""),
        may_sample=request.access.allows("data.sample.read"),
    )
    return render(request, "integrations/_integration_preview.html", {"trial": trial, "source": source})


@require_GET
@workspace_view("integration.read")
def times(request: WorkspaceRequest) -> HttpResponse:
    """The next five times of a schedule, for a person to check it by."""
    return render(request, "integrations/_integration_times.html", times_context(ScheduleForm(request.GET)))


def times_context(form: ScheduleForm) -> dict[str, Any]:
    """What the partial of the next times needs, of a bound form."""
    form.full_clean()
    table = form.timetable
    due = (
        [(moment, _local(moment, table.time_zone)) for moment in upcoming(table, timezone.now(), TIMES)]
        if table
        else []
    )
    problems = [str(message) for name in ("every", "cron", "time_zone") for message in form.errors.get(name, [])]
    return {"due": due, "schedule_problems": problems, "timetable": table}


def proposed_rows(request: WorkspaceRequest) -> tuple[list[RuleRow], SignalboxError | str | None]:
    """The posted rows with the proposal added, and what kept it from being made."""
    rows = rows_of_post(request.POST)
    source = source_of(request, request.POST.get("source", ""))
    stream = request.POST.get("source_stream", "").strip()
    if source is None or not stream:
        return rows, "Choose the source and its stream first."
    offer = offer_of(source, stream)
    if offer.error is not None:
        return rows, offer.error
    if offer.chosen is None:
        return rows, f"The source has no stream “{stream}”. Choose one of those it offers."
    if not offer.columns:
        return rows, "The columns of this stream are known only when it is read. Add the fields by hand."
    return with_proposal(rows, identity_mapping(offer.columns).to_json(), offer.chosen.primary_key), None


def source_of(request: WorkspaceRequest, value: str) -> Connector | None:
    """The connector of the workspace that a form names, or None."""
    form = IntegrationForm({"source": value}, workspace=request.workspace, is_new=False)
    form.full_clean()
    found: Connector | None = form.cleaned_data.get("source")
    return found


def offer_of(source: Connector, stream: str) -> Offer:
    """Ask the source what it offers; it may be slow, away or refuse, which is told and not raised."""
    try:
        streams = connectors.streams_of(connector=source)
    except SignalboxError as error:
        return Offer([], error=error)
    chosen = next((each for each in streams if each.name == stream), None)
    columns = columns_of(chosen.schema) if chosen and chosen.schema is not None else None
    return Offer(streams, chosen, columns)


def _proposed_fields(request: WorkspaceRequest, offer: Offer | None) -> dict[str, str]:
    """Cursor field and key of the source, where the person has said nothing and the stream has."""
    stream = offer.chosen if offer else None
    if stream is None:
        return {}
    proposed = {"cursor_field": ", ".join(stream.cursor_fields[:1]), "primary_key": ", ".join(stream.primary_key)}
    return {name: value for name, value in proposed.items() if value and not request.GET.get(name, "").strip()}


def _local(moment: datetime, zone: str) -> str:
    return f"{moment.astimezone(ZoneInfo(zone)):%a %Y-%m-%d %H:%M:%S}"
