"""Pages: policies, and what holds where after inheritance."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast
from uuid import UUID

from django.contrib import messages
from django.db.models import Prefetch
from django.http import HttpResponse, QueryDict
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_http_methods

from accounts.errors import NAME_TAKEN, Conflict, Invalid
from accounts.permissions import workspace_view
from accounts.requests import WorkspaceRequest
from integrations.domain import policy as rules_of
from integrations.domain.policy import EffectivePolicy, End
from integrations.errors import APPROVAL_NEEDED, POLICY_CHANGED
from integrations.forms.connector_filter import NamedFilterForm
from integrations.forms.policy import EffectiveForm, PolicyForm, initial_of
from integrations.models import Connector, Deployment, Integration, Policy
from integrations.services import policies as services
from integrations.services.approval_asking import ask_for_policy
from integrations.services.policy_actions import last_actions
from integrations.services.policy_changes import PolicyChange, changes_since
from integrations.services.policy_ends import POLICIES, policy_of_deployment
from integrations.services.policy_places import default_of, ends_of, level_of
from integrations.views.deletion import confirm_deletion
from integrations.views.name_pages import page_by_name
from integrations.views.policies_ends import ends_sections
from integrations.views.policies_simulation import Trial, proposal_of, trial_of
from integrations.views.policies_words import rules_set, sections_of


@require_GET
@workspace_view("policy.read")
def policy_list(request: WorkspaceRequest) -> HttpResponse:
    """By name; the rows alone for htmx."""
    form = NamedFilterForm(request.GET)
    kept = form.kept()
    context: dict[str, Any] = {"form": form, "chosen": kept, "is_filtered": bool(kept)}  # what templates see
    if form.is_valid():
        users = (
            Prefetch("connectors", Connector.objects.only("id", "name", "policy_id")),
            Prefetch("integrations", Integration.objects.only("id", "name", "policy_id")),
        )
        found = Policy.objects.of(request.workspace).filter(name__icontains=kept.get("q", ""))
        context["page"] = page_by_name(found.prefetch_related(*users), form.cleaned_data, kept=kept)
        context["rows"] = [(policy, rules_set(policy)) for policy in context["page"].rows]
    status = 200 if form.is_valid() else 400
    partial = request.htmx and not request.htmx.history_restore_request
    name = "_policy_rows.html" if partial else "policy_list.html"
    return render(request, f"integrations/{name}", context, status=status)


@require_http_methods(["GET", "POST"])
@workspace_view("policy.manage")
def policy_create(request: WorkspaceRequest) -> HttpResponse:
    """A new policy."""
    form = PolicyForm(request.POST if request.method == "POST" else None, inherited=_inherited(request, None))
    return _edit(request, form, None)


@require_http_methods(["GET", "POST"])
@workspace_view("policy.read", POST="policy.manage")
def policy_detail(request: WorkspaceRequest, policy_id: UUID) -> HttpResponse:
    """What it sets and where it applies; the form for those who may change it."""
    policy = _policy_of(request, policy_id)
    posted = request.POST if request.method == "POST" else None
    form = PolicyForm(posted, inherited=_inherited(request, policy), initial=initial_of(policy))
    return _edit(request, form, policy)


@require_http_methods(["GET", "POST"])
@workspace_view("policy.manage")
def policy_delete(request: WorkspaceRequest, policy_id: UUID) -> HttpResponse:
    """Ask for the name, then delete it, unless something is under it."""
    policy = _policy_of(request, policy_id)
    users = [(each.name, "connector-detail", each.pk) for each in policy.connectors.all()]
    users += [(each.name, "integration-detail", each.pk) for each in policy.integrations.all()]
    where = "What is under it inherits from the instance then." if policy.is_default else "Nothing is under it."
    return confirm_deletion(
        request,
        word="policy",
        name=policy.name,
        delete=lambda: services.delete_policy(policy=policy),
        back=("policy-detail", policy.pk),
        lost="Its rules go, for good." + ("" if users else f" {where}"),
        users=users,
    )


@require_GET
@workspace_view("policy.read")
def policy_effective(request: WorkspaceRequest) -> HttpResponse:
    """Each rule with its value, where it came from, and what it replaced."""
    form = EffectiveForm(request.GET, workspace=request.workspace)
    context: dict[str, Any] = {"form": form, "chosen": request.GET}  # what templates see
    if form.is_valid():
        connector, integration = form.cleaned_data["connector"], form.cleaned_data["integration"]
        context |= {"connector": connector, "integration": integration}
        context |= _held(request, connector, integration)
    context["connectors"] = list(Connector.objects.of(request.workspace).values_list("pk", "name"))
    context["integrations"] = list(Integration.objects.of(request.workspace).values_list("pk", "name"))
    return render(request, "integrations/policy_effective.html", context, status=200 if form.is_valid() else 400)


def _held(request: WorkspaceRequest, connector: Connector | None, integration: Integration | None) -> dict[str, Any]:
    """The rules as they hold at both ends of an integration, or in one chain where a connector is named."""
    last = last_actions(workspace=request.workspace, connector=connector, integration=integration)
    if integration is not None and connector is None:
        rows = Deployment.objects.of(request.workspace).filter(integration=integration)
        deployment = rows.select_related(*POLICIES, "workspace").get()
        sections = ends_sections(policy_of_deployment(deployment), last)
        return {"sections": sections, "version": deployment.version}
    effective = services.effective_policy(workspace=request.workspace, connector=connector, integration=integration)
    ends = ends_of(connector) if connector else frozenset(End)
    return {"sections": sections_of(effective, request.workspace, last, ends)}


def _edit(request: WorkspaceRequest, form: PolicyForm, policy: Policy | None) -> HttpResponse:
    if request.method == "POST" and request.POST.get("action") == "simulate":
        return _shown(request, form, policy, trial_of(request.workspace, policy, form))
    if request.method == "POST" and form.is_valid():
        try:
            saved = _save(request, form, policy)
        except Invalid as error:
            form.say(error.fields)
        except Conflict as error:
            return _refused(request, form, policy, error)
        else:
            messages.success(request, f"{saved.name} is saved. It holds from the next slice of every run under it.")
            return redirect("policy-detail", request.workspace.slug, saved.pk)
    return _shown(request, form, policy)


def _save(request: WorkspaceRequest, form: PolicyForm, policy: Policy | None) -> Policy:
    data = form.cleaned_data
    if policy is not None:
        policy.revision = data["revision"] or policy.revision
    return services.save_policy(
        workspace=request.workspace,
        policy=policy,
        name=data["name"],
        description=data["description"],
        rules=form.rules(),
        limits=form.limits(),
        is_default=data["is_default"],
    )


def _refused(request: WorkspaceRequest, form: PolicyForm, policy: Policy | None, error: Conflict) -> HttpResponse:
    """What becomes of a save that the state of things does not allow; what was typed stands in the form."""
    if error.code == APPROVAL_NEEDED:
        if _is_asked(request, form, policy):
            return redirect("approval-list", request.workspace.slug)
        return _shown(request, form, policy)
    if error.code != POLICY_CHANGED or policy is None:
        form.add_error("name" if error.code == NAME_TAKEN else "is_default", str(error))
        return _shown(request, form, policy)
    # A second save goes over what was changed meanwhile; the person has been told.
    posted = cast(QueryDict, form.data).copy()
    posted["revision"] = str(error.detail["revision"])
    form.data = posted
    return _shown(request, form, policy, changes=changes_since(policy, policy.revision))


def _is_asked(request: WorkspaceRequest, form: PolicyForm, policy: Policy | None) -> bool:
    """Ask for the approval that the change needs; a refusal stands in the form."""
    proposal = proposal_of(request.workspace, policy, form)
    try:
        asked = ask_for_policy(proposal=proposal, description=form.cleaned_data["description"], user=request.user)
    except Conflict as error:
        form.add_error(None, str(error))
        return False
    messages.info(request, f"“{asked.title}” waits for the approval of another member.")
    return True


def _shown(
    request: WorkspaceRequest,
    form: PolicyForm,
    policy: Policy | None,
    trial: Trial | None = None,
    changes: Sequence[PolicyChange] = (),
) -> HttpResponse:
    """The page, with what others changed meanwhile; for htmx, which tries the form, the trial alone."""
    if trial and request.htmx:
        return render(request, "integrations/_policy_simulation.html", {"trial": trial})
    stored = _policy_of(request, policy.pk) if policy else None
    context: dict[str, Any] = {"form": form, "policy": stored, "trial": trial, "changes": changes}  # templates
    if stored:
        context |= {
            "connectors": stored.connectors.order_by("name"),
            "integrations": stored.integrations.order_by("name"),
        }
        context["rules"] = rules_set(stored)
    status = 409 if changes else 400 if form.errors else 200
    return render(request, "integrations/policy_form.html", context, status=status)


def _inherited(request: WorkspaceRequest, policy: Policy | None) -> EffectivePolicy:
    """What holds below this policy: the workspace's default, unless it is that itself, over the instance's values."""
    default = default_of(request.workspace)
    return rules_of.effective([] if default is None or default == policy else [level_of("workspace", default)])


def _policy_of(request: WorkspaceRequest, policy_id: UUID) -> Policy:
    return get_object_or_404(Policy.objects.of(request.workspace).select_related("workspace"), pk=policy_id)
