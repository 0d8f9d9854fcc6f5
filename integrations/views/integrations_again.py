"""Pages: read a past range again (backfill), or on from an older checkpoint (replay); each with a look ahead."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from accounts.errors import Conflict, Invalid, SignalboxError
from accounts.permissions import workspace_view
from accounts.requests import WorkspaceRequest
from integrations.connectors.ranged import range_fields
from integrations.domain.guarantee import EXPLANATIONS, WriteMode
from integrations.forms.again import BackfillForm, ReplayForm, batches_of
from integrations.models import Deployment, Run
from integrations.services import backfills
from integrations.services.connectors import open_plugin
from integrations.services.guarantees import guarantee_of
from integrations.services.outlook import Outlook, look_ahead
from integrations.services.runs import Begin
from integrations.views.integrations_detail import deployment_of

DOUBLES = "checkpoint.reset"


@dataclass
class Sheet:
    """What a page shows beside its form: the look ahead, or why there is none."""

    outlook: Outlook | None = None
    error: SignalboxError | None = None


@require_http_methods(["GET", "POST"])
@workspace_view("run.start")
def backfill(request: WorkspaceRequest, integration_id: object) -> HttpResponse:
    """Ask for the range, show what would be sent, then start."""
    deployment = deployment_of(request, integration_id)
    posted = request.POST if request.method == "POST" else None
    form = BackfillForm(posted, initial={"field": deployment.version.cursor_field})
    fields, error = _offered(deployment)
    sheet = Sheet(error=error)
    if form.is_valid():
        given = {name: form.cleaned_data[name] for name in ("field", "low", "high")}
        begin = _begun(form, sheet, lambda: backfills.backfill_begin(**given))
        if begin and _may_start(request, deployment, form, goes_on=False):
            run = _started(sheet, lambda: backfills.start_backfill(deployment=deployment, user=request.user, **given))
            if run:
                return redirect("run-detail", request.workspace.slug, run.pk)
        elif begin and not form.errors:
            _look(deployment, begin, sheet)
    return _page(request, deployment, "backfill", form, sheet, {"range_fields": fields})


@require_http_methods(["GET", "POST"])
@workspace_view("run.start")
def replay(request: WorkspaceRequest, integration_id: object) -> HttpResponse:
    """Ask for the checkpoint, show what would be sent, then start."""
    deployment = deployment_of(request, integration_id)
    posted = request.POST if request.method == "POST" else None
    initial = {"run": request.GET.get("run", ""), "batch": request.GET.get("batch", "0")}
    form = ReplayForm(posted, deployment=deployment, initial=initial)
    sheet = Sheet()
    if form.is_valid():
        goes_on = form.cleaned_data["goes_on"]
        checkpoint = form.checkpoint()
        begin = _begun(form, sheet, lambda: backfills.replay_begin(deployment, checkpoint, goes_on=goes_on))
        if begin and _may_start(request, deployment, form, goes_on=goes_on):
            run = _started(
                sheet,
                lambda: backfills.start_replay(
                    deployment=deployment, checkpoint=checkpoint, goes_on=goes_on, user=request.user
                ),
            )
            if run:
                return redirect("run-detail", request.workspace.slug, run.pk)
        elif begin and not form.errors:
            _look(deployment, begin, sheet)
    chosen = form.cleaned_data.get("run") if form.is_bound else _run_of(form, initial["run"])
    return _page(request, deployment, "replay", form, sheet, {"batches": batches_of(chosen)})


def _run_of(form: ReplayForm, wanted: str) -> Run | None:
    offered: dict[str, str] = dict(form.fields["run"].choices)  # type: ignore[attr-defined]  # a choice field
    return Run.objects.get(pk=wanted) if wanted and wanted in offered else None


def _begun(form: BackfillForm | ReplayForm, sheet: Sheet, begin: Callable[[], Begin]) -> Begin | None:
    try:
        return begin()
    except Invalid as error:
        for name, message in error.fields.items():
            form.add_error(name, f"{error.message} {message}")
    except Conflict as error:
        sheet.error = error
    return None


def _may_start(
    request: WorkspaceRequest, deployment: Deployment, form: BackfillForm | ReplayForm, *, goes_on: bool
) -> bool:
    """Say whether to start now: it was asked for, is understood, and the person may."""
    if request.POST.get("command") != "start":
        return False
    doubles = deployment.version.write_mode == WriteMode.APPEND
    if (doubles or goes_on) and not request.access.allows(DOUBLES):
        why = "doubles records" if doubles else "moves the cursor"
        form.add_error(None, f"This {why}, which needs the permission {DOUBLES}. Ask an owner or admin.")
        return False
    if doubles and not form.cleaned_data["understood"]:
        form.add_error("understood", "Tick that records will be there twice, or write by key instead.")
        return False
    return True


def _started(sheet: Sheet, start: Callable[[], Run]) -> Run | None:
    try:
        return start()
    except Conflict as error:
        sheet.error = error
    return None


def _look(deployment: Deployment, begin: Begin, sheet: Sheet) -> None:
    try:
        sheet.outlook = look_ahead(deployment=deployment, begin=begin)
    except SignalboxError as error:
        sheet.error = error


def _offered(deployment: Deployment) -> tuple[list[str], SignalboxError | None]:
    """The fields that a range can be read by; none where the source cannot be asked, or says why it cannot."""
    try:
        with closing(open_plugin(deployment.version.source, deployment.integration, is_awaited=True)) as plugin:
            return list(range_fields(plugin, deployment.version.source_stream)), None
    except SignalboxError as error:
        return [], error


def _page(
    request: WorkspaceRequest,
    deployment: Deployment,
    name: str,
    form: BackfillForm | ReplayForm,
    sheet: Sheet,
    more: dict[str, Any],
) -> HttpResponse:
    version = deployment.version
    guarantee = guarantee_of(version)
    context = {
        "deployment": deployment, "integration": deployment.integration, "version": version, "form": form,
        "outlook": sheet.outlook, "error": sheet.error, "appends": version.write_mode == WriteMode.APPEND,
        "may_double": request.access.allows(DOUBLES), "may_sample": request.access.allows("data.sample.read"),
        "guarantee": guarantee.value, "guarantee_words": EXPLANATIONS[guarantee], **more,
    }  # fmt: skip
    failed = form.is_bound and (form.errors or sheet.error)
    status = 409 if isinstance(sheet.error, Conflict) else 400 if failed else 200
    return render(request, f"integrations/integration_{name}.html", context, status=status)
