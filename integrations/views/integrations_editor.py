"""Pages: the integration editor, for a new integration and for a new version of one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

from django.contrib import messages
from django.http import HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from accounts.errors import Conflict, Invalid, SignalboxError
from accounts.permissions import workspace_view
from accounts.requests import WorkspaceRequest
from integrations.domain.mapping import function_names
from integrations.forms.integration import ZONES, IntegrationForm, ScheduleForm, initial_of, names_in
from integrations.forms.integration_rules import (
    TYPES,
    RuleRow,
    edited,
    key_of,
    mapping_of,
    rows_of_mapping,
    rows_of_post,
)
from integrations.models import Deployment, Integration, IntegrationVersion, Schedule
from integrations.services import integration_editor as services
from integrations.services.approval_holds import held_of
from integrations.services.integrations import Flow
from integrations.views.integrations_detail import deployment_of, version_of
from integrations.views.integrations_notes import Sheet, checked_sheet, sheet_of
from integrations.views.integrations_trial import proposed_rows, times_context


@dataclass
class Editor:
    """The page as it stands: its form, its rows, and what is to be said of them."""

    form: IntegrationForm
    sheet: Sheet
    deployment: Deployment | None = None
    error: SignalboxError | None = None
    proposal_error: object = None

    @property
    def status(self) -> int:
        """400 where something cannot be saved, else 200."""
        if self.error is not None:
            return self.error.status
        return 400 if self.form.is_bound and self.form.errors else 200


@require_http_methods(["GET", "POST"])
@workspace_view("integration.manage")
def integration_create(request: WorkspaceRequest) -> HttpResponse:
    """A new integration; its first version is active at once."""
    if request.method != "POST":
        form = IntegrationForm(workspace=request.workspace, is_new=True, initial={"source": request.GET.get("source")})
        return _page(request, Editor(form, sheet_of([])))
    editor = _posted(request, None)
    if editor.form.is_valid() and not _is_only_an_edit(request):
        try:
            made = services.create(workspace=request.workspace, draft=_draft(editor, request), user=request.user)
        except (Invalid, Conflict) as error:
            _say(editor, error)
        else:
            messages.success(request, _made_words(made))
            return redirect("integration-detail", request.workspace.slug, made.pk)
    return _page(request, editor)


@require_http_methods(["GET", "POST"])
@workspace_view("integration.manage")
def integration_edit(request: WorkspaceRequest, integration_id: object) -> HttpResponse:
    """A new version, begun from the active one or from `?version=`; description, policy and schedule change at once."""
    deployment = deployment_of(request, integration_id)
    if request.method != "POST":
        return _page(request, _begun(request, deployment))
    editor = _posted(request, deployment)
    if editor.form.is_valid() and not _is_only_an_edit(request):
        try:
            saved = _save(request, editor, deployment)
        except (Invalid, Conflict) as error:
            _say(editor, error)
        else:
            messages.success(request, _saved_words(saved))
            return redirect("integration-detail", request.workspace.slug, deployment.integration_id)
    return _page(request, editor)


def _begun(request: WorkspaceRequest, deployment: Deployment) -> Editor:
    version = deployment.version
    if request.GET.get("version", "").isdecimal():
        version = version_of(deployment, int(request.GET["version"][:9]))
    schedule = Schedule.objects.filter(deployment=deployment).first()
    initial = {**initial_of(deployment.integration, version, schedule), "newest": _newest(deployment)}
    form = IntegrationForm(workspace=request.workspace, is_new=False, initial=initial)
    rows = rows_of_mapping(version.mapping, version.key)
    return Editor(form, checked_sheet(rows, initial["filter"]), deployment)


def _posted(request: WorkspaceRequest, deployment: Deployment | None) -> Editor:
    form = IntegrationForm(request.POST, workspace=request.workspace, is_new=deployment is None)
    command = request.POST.get("do", "")
    rows: Sequence[RuleRow] = edited(rows_of_post(request.POST), command)
    problem: object = None
    if command == "propose":
        rows, problem = proposed_rows(request)
    sheet = sheet_of(rows) if command else checked_sheet(rows, request.POST.get("filter", ""))
    return Editor(form, sheet, deployment, proposal_error=problem)


def _is_only_an_edit(request: WorkspaceRequest) -> bool:
    """A button of the rows, pressed without a script: the page comes back with the rows changed, nothing is saved."""
    return bool(request.POST.get("do"))


def _save(request: WorkspaceRequest, editor: Editor, deployment: Deployment) -> services.Saved:
    data = editor.form.cleaned_data
    return services.save(
        deployment=deployment,
        draft=_draft(editor, request),
        origin=version_of(deployment, data["origin"] or deployment.version.number),
        newest=data["newest"] or 0,
        activate=data["activate"],
        user=request.user,
    )


def _draft(editor: Editor, request: WorkspaceRequest) -> services.Draft:
    data = editor.form.cleaned_data
    rows = [rule.row for rule in editor.sheet.rules]
    copied = ("source", "source_stream", "read_mode", "cursor_field", "destination", "destination_stream", "write_mode")
    flow = Flow(
        **{name: data[name] for name in copied},
        primary_key=names_in(data["primary_key"]),
        key=key_of(rows) if data["write_mode"] == "upsert" else (),
        mapping=mapping_of(rows, request.POST.get("filter", "").strip()),
        note=data["note"],
    )
    return services.Draft(
        name=data.get("name", ""),
        description=data["description"],
        policy=data["policy"],
        flow=flow,
        timetable=editor.form.timetable,
    )


def _say(editor: Editor, error: Invalid | Conflict) -> None:
    """Put the message where the person looks for it; what stands at no field stands above the form."""
    problems = dict(
        error.fields if isinstance(error, Invalid) else cast("dict[str, str]", error.detail.get("fields", {}))
    )
    about_mapping = problems.pop("mapping", "")
    editor.form.say(problems)
    if about_mapping and not editor.sheet.is_wrong:
        editor.proposal_error = about_mapping
    editor.error = error
    if isinstance(error, Conflict) and editor.deployment is not None:
        # A second save goes on top of what was added meanwhile; the person has been told.
        posted = cast(QueryDict, editor.form.data).copy()
        posted["newest"] = str(_newest(editor.deployment))
        editor.form.data = posted


def _newest(deployment: Deployment) -> int:
    return IntegrationVersion.objects.filter(integration=deployment.integration_id).values_list("number", flat=True)[0]


def _made_words(made: Integration) -> str:
    if held := held_of(made.deployments.get()):
        return f"{made.name} is saved. {held.sentence} {held.what_to_do}"
    return f"{made.name} is ready. Start a run to move the first records."


def _saved_words(saved: services.Saved) -> str:
    if saved.version is None:
        return "Saved." if saved.other_changes else "Nothing was changed, so no version was added."
    if saved.is_active:
        return f"Version {saved.version.number} is saved and active: the next run uses it."
    if saved.is_asked:
        return f"Version {saved.version.number} is saved. It waits for the approval of another member."
    return f"Version {saved.version.number} is saved. It does nothing until you activate it."


def _page(request: WorkspaceRequest, editor: Editor) -> HttpResponse:
    form = editor.form
    schedule = ScheduleForm({name: form[name].value() for name in ScheduleForm.base_fields})
    context: dict[str, Any] = {
        "form": form,
        "sheet": editor.sheet,
        "deployment": editor.deployment,
        "integration": editor.deployment.integration if editor.deployment else None,
        "error": editor.error,
        "proposal_error": editor.proposal_error,
        "types": TYPES,
        "zones": ZONES,
        "functions": function_names(),
        **times_context(schedule),
    }
    return render(request, "integrations/integration_editor.html", context, status=editor.status)
