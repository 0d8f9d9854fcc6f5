"""Asks for a second person: for a version that shall become active, and for a policy that shall change."""

from __future__ import annotations

from django.db import IntegrityError, transaction

from accounts import audit
from accounts.errors import STATE_CONFLICT, Conflict
from accounts.models import User
from integrations import events
from integrations.domain.approval import ApprovalKind
from integrations.models import ApprovalRequest, Deployment, IntegrationVersion
from integrations.services.policy_actions import note_action
from integrations.services.policy_approval import RULE, change_of
from integrations.services.policy_places import Proposal


def ask(*, deployment: Deployment, version: IntegrationVersion, user: User | None) -> ApprovalRequest:
    """Ask that a version becomes active. Raises Conflict where another request for the deployment is open."""
    title = f"Activate version {version.number} of {deployment.integration.name} in {deployment.environment}"
    try:
        with transaction.atomic():
            request = ApprovalRequest.objects.create(
                workspace=deployment.workspace, kind=ApprovalKind.VERSION, deployment=deployment, version=version,
                title=title, asked_by=user,
            )  # fmt: skip
            tell_of(request, "approval.asked", "info")
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
    """Ask that a policy is stored so, as of its revision. Raises Conflict where another request is open."""
    try:
        with transaction.atomic():
            request = ApprovalRequest.objects.create(
                workspace=proposal.workspace, kind=ApprovalKind.POLICY, policy=proposal.policy, asked_by=user,
                title=f"{'Change' if proposal.policy else 'Create'} the policy {proposal.name}",
                change=change_of(proposal, description),
            )  # fmt: skip
            tell_of(request, "approval.asked", "info")
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


def tell_of(request: ApprovalRequest, kind: str, level: str) -> None:
    """Write down what became of a request, in the caller's transaction."""
    after = {"title": request.title, "state": str(request.state), **({"note": request.note} if request.note else {})}
    audit.record(workspace=request.workspace, action=kind, object=request, after=after)
    integration = request.deployment.integration_id if request.deployment else request.pk
    events.append(
        workspace=request.workspace, topic="integration", object_id=integration, kind=kind, message=request.title,
        level=level,
    )  # fmt: skip
