"""Asks for a second person, and decides: approved changes happen in the transaction that approves them."""

from __future__ import annotations

from django.db import transaction
from django.utils import timezone

from accounts.errors import PERMISSION_DENIED, STATE_CONFLICT, Conflict, Denied
from accounts.models import User
from integrations.domain.approval import ApprovalKind, ApprovalState, may_decide
from integrations.models import ApprovalRequest, Deployment, IntegrationVersion
from integrations.services.approval_asking import ask, tell_of
from integrations.services.approval_holds import author_of
from integrations.services.approval_rules import needs_second_person
from integrations.services.integrations import activate_version
from integrations.services.policies import save_policy


def activate_or_ask(
    *, deployment: Deployment, version: IntegrationVersion, user: User | None
) -> ApprovalRequest | None:
    """Make the version active, or ask for the approval that this needs and return the request."""
    is_active = deployment.is_approved and deployment.version_id == version.pk
    if is_active or not needs_second_person(deployment, version):
        activate_version(deployment=deployment, version=version)
        return None
    return ask(deployment=deployment, version=version, user=user)


def decide(*, request: ApprovalRequest, user: User | None, approve: bool, note: str = "") -> ApprovalRequest:
    """Approve, which makes the change happen, or decline. Raises Conflict where it is decided.

    Raises Denied for who asked, and for the author of the version: who wrote it does not let it pass.
    """
    if not may_decide(asker=request.asked_by_id, author=author_of(request), decider=user.pk if user else None):
        raise Denied(
            PERMISSION_DENIED,
            "A second person decides: not who asked for it, and not who wrote it.",
            what_to_do="Ask another member who may change integrations.",
        )
    state = ApprovalState.APPROVED if approve else ApprovalState.DECLINED
    with transaction.atomic():
        _move(request, state, user, note)
        if approve:
            _do(request)
        tell_of(request, f"approval.{state}", "info" if approve else "warning")
    return request


def withdraw(*, request: ApprovalRequest, user: User | None) -> ApprovalRequest:
    """Take a request back. Raises Conflict for anybody but who asked: others decide."""
    if user is None or request.asked_by_id != user.pk:
        raise Conflict(
            STATE_CONFLICT, "Only who asked takes a request back.", what_to_do="Decline it, if you may decide it."
        )
    with transaction.atomic():
        _move(request, ApprovalState.WITHDRAWN, user, "")
        tell_of(request, "approval.withdrawn", "info")
    return request


def _do(request: ApprovalRequest) -> None:
    """What was asked for; it is judged again, since much may have changed meanwhile."""
    if request.kind == ApprovalKind.POLICY:
        change = dict(request.change)
        revision, policy = change.pop("revision"), request.policy
        if policy is not None:
            policy.revision = revision
        save_policy(workspace=request.workspace, policy=policy, approval=request, **change)
    elif request.deployment and request.version:
        activate_version(deployment=request.deployment, version=request.version, approval=request)


def _move(request: ApprovalRequest, state: ApprovalState, user: User | None, note: str) -> None:
    open_one = ApprovalRequest.objects.filter(pk=request.pk, state=ApprovalState.OPEN)
    if not open_one.update(state=state, decided_by=user, decided_at=timezone.now(), note=note.strip()[:300]):
        raise Conflict(STATE_CONFLICT, "The request is decided already.", what_to_do="Load the page again.")
    request.refresh_from_db()
