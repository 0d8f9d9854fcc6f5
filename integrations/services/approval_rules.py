"""Which changes a policy lets happen only when a second person approves."""

from __future__ import annotations

from collections.abc import Iterable

from accounts.errors import Conflict
from integrations.domain.approval import ApprovalState
from integrations.errors import APPROVAL_NEEDED
from integrations.models import ApprovalRequest, Deployment, IntegrationVersion
from integrations.models.connector import Environment
from integrations.services.policy_approval import RULE
from integrations.services.policy_places import default_of, laid_over


def needs_second_person(deployment: Deployment, version: IntegrationVersion | None = None) -> bool:
    """Whether a new version of it becomes active only when another member approves.

    So it is where the policy of any end says so: of what is active, and of the version that would be. Production is
    what is deployed there, and whatever writes to it.
    """
    versions = [each for each in (deployment.version, version) if each]
    written = (each.destination.environment for each in versions)
    if Environment.PRODUCTION not in (deployment.environment, *written):
        return False
    default = default_of(deployment.workspace)
    ends = {end for each in versions for end in (each.source, each.destination)}
    return any(laid_over(default, end, deployment.integration).is_on(RULE) for end in ends)


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
    is_active = deployment.is_approved and deployment.version_id == version.pk
    if not is_approved and not is_active and needs_second_person(deployment, version):
        raise Conflict(APPROVAL_NEEDED, f"Version {version.number} becomes active when another member approves it.")
