"""Asks for a second person, and decides: approved changes happen in the transaction that approves them."""

from __future__ import annotations

from django.db import IntegrityError, transaction
from django.utils import timezone

from accounts import audit
from accounts.errors import PERMISSION_DENIED, STATE_CONFLICT, Conflict, Denied
from accounts.models import User
from integrations import events
from integrations.domain.approval import ApprovalKind, ApprovalState, may_decide
from integrations.models import ApprovalRequest, Deployment, IntegrationVersion
from integrations.services.approval_rules import needs_second_person
from integrations.services.integrations import activate_version
from integrations.services.policies import save_policy
from integrations.services.policy_actions import note_action
from integrations.services.policy_approval import RULE, change_of
from integrations.services.policy_places import Proposal


def activate_or_ask(
    *, deployment: Deployment, version: IntegrationVersion, user: User | None
) -> ApprovalRequest | None:
    """Make the version active, or ask for the approval that this needs and return the request."""
    if deployment.version_id == version.pk or not needs_second_person(deployment, version):
        activate_version(deployment=deployment, version=version)
        return None
    return ask(deployment=deployment, version=version, user=user)


def ask(*, deployment: Deployment, version: IntegrationVersion, user: User | None) -> ApprovalRequest:
    """Ask that a version becomes active. Raises Conflict where another request for the deployment is open."""
    title = f"Activate version {version.number} of {deployment.integration.name} in {deployment.environment}"
    try:
        with transaction.atomic():
            request = ApprovalRequest.objects.create(
                workspace=deployment.workspace, kind=ApprovalKind.VERSION, deployment=deployment, version=version,
                title=title, asked_by=user,
            )  # fmt: skip
            _tell(request, "approval.asked", "info")
            note_action(
                workspace_id=deployment.workspace_id,
                rule=RULE,
                scope_id=deployment.integration_id,
                what=f"let version {version.number} wait for a second person",
            )
    except IntegrityError as error:
        raise Conflict(
            STATE_CONFLICT,
            f"An activation of “{deployment.integration.name}” waits for approval already.",
            what_to_do="Have it decided, or withdraw it, then ask again.",
        ) from error
    return request


def ask_for_policy(*, proposal: Proposal, description: str, user: User | None) -> ApprovalRequest:
    """Ask that a policy is stored so. Raises Conflict where another request for the policy is open."""
    try:
        with transaction.atomic():
            request = ApprovalRequest.objects.create(
                workspace=proposal.workspace, kind=ApprovalKind.POLICY, policy=proposal.policy, asked_by=user,
                title=f"{'Change' if proposal.policy else 'Create'} the policy {proposal.name}",
                change=change_of(proposal, description),
            )  # fmt: skip
            _tell(request, "approval.asked", "info")
            note_action(
                workspace_id=proposal.workspace.pk,
                rule=RULE,
                scope_id=proposal.workspace.pk,
                what=f"let a change of the policy {proposal.name} wait for a second person",
            )
    except IntegrityError as error:
        raise Conflict(
            STATE_CONFLICT,
            f"A change of “{proposal.name}” waits for approval already.",
            what_to_do="Have it decided, or withdraw it, then ask again.",
        ) from error
    return request


def decide(*, request: ApprovalRequest, user: User | None, approve: bool, note: str = "") -> ApprovalRequest:
    """Approve, which makes the change happen, or decline. Raises Denied for who asked, Conflict where it is decided."""
    if not may_decide(asker=request.asked_by_id, decider=user.pk if user else None):
        raise Denied(
            PERMISSION_DENIED,
            "A second person decides: not who asked for it.",
            what_to_do="Ask another member who may change integrations.",
        )
    state = ApprovalState.APPROVED if approve else ApprovalState.DECLINED
    with transaction.atomic():
        _move(request, state, user, note)
        if approve:
            _do(request)
        _tell(request, f"approval.{state}", "info" if approve else "warning")
    return request


def withdraw(*, request: ApprovalRequest, user: User | None) -> ApprovalRequest:
    """Take a request back. Raises Conflict for anybody but who asked: others decide."""
    if user is None or request.asked_by_id != user.pk:
        raise Conflict(
            STATE_CONFLICT, "Only who asked takes a request back.", what_to_do="Decline it, if you may decide it."
        )
    with transaction.atomic():
        _move(request, ApprovalState.WITHDRAWN, user, "")
        _tell(request, "approval.withdrawn", "info")
    return request


def _do(request: ApprovalRequest) -> None:
    """What was asked for; it is judged again, since much may have changed meanwhile."""
    if request.kind == ApprovalKind.POLICY:
        save_policy(workspace=request.workspace, policy=request.policy, approval=request, **request.change)
    elif request.deployment and request.version:
        activate_version(deployment=request.deployment, version=request.version, approval=request)


def _move(request: ApprovalRequest, state: ApprovalState, user: User | None, note: str) -> None:
    open_one = ApprovalRequest.objects.filter(pk=request.pk, state=ApprovalState.OPEN)
    if not open_one.update(state=state, decided_by=user, decided_at=timezone.now(), note=note.strip()[:300]):
        raise Conflict(STATE_CONFLICT, "The request is decided already.", what_to_do="Load the page again.")
    request.refresh_from_db()


def _tell(request: ApprovalRequest, kind: str, level: str) -> None:
    after = {"title": request.title, "state": str(request.state), **({"note": request.note} if request.note else {})}
    audit.record(workspace=request.workspace, action=kind, object=request, after=after)
    integration = request.deployment.integration_id if request.deployment else request.pk
    events.append(
        workspace=request.workspace, topic="integration", object_id=integration, kind=kind, message=request.title,
        level=level,
    )  # fmt: skip
