"""Which changes a policy lets happen only when a second person approves."""

from __future__ import annotations

from collections.abc import Iterable

from accounts.errors import Conflict
from integrations.domain.approval import ApprovalState
from integrations.errors import APPROVAL_NEEDED
from integrations.models import ApprovalRequest, Deployment, IntegrationVersion
from integrations.models.connector import Environment
from integrations.services.policies import effective_policy
from integrations.services.policy_approval import RULE


def needs_second_person(deployment: Deployment) -> bool:
    """Whether a new version of it becomes active only when another member approves."""
    if deployment.environment != Environment.PRODUCTION:
        return False
    policy = effective_policy(
        workspace=deployment.workspace, connector=deployment.version.source, integration=deployment.integration
    )
    return policy.is_on(RULE)


def refuse_other_policy(deployments: Iterable[Deployment]) -> None:
    """Raise Conflict where another policy would take the place of one that asks for a second person."""
    if any(needs_second_person(each) for each in deployments):
        raise Conflict(
            APPROVAL_NEEDED,
            "Another policy would hold in production, where the present one asks for a second person.",
            what_to_do="Change the rules of the policy itself: that can be approved.",
        )


def refuse_unapproved(deployment: Deployment, version: IntegrationVersion, approval: ApprovalRequest | None) -> None:
    """Raise Conflict where the activation needs an approval and this is not the one."""
    is_approved = (
        approval is not None
        and approval.state == ApprovalState.APPROVED
        and (approval.deployment_id, approval.version_id) == (deployment.pk, version.pk)
    )
    if not is_approved and deployment.version_id != version.pk and needs_second_person(deployment):
        raise Conflict(APPROVAL_NEEDED, f"Version {version.number} becomes active when another member approves it.")
