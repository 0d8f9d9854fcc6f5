"""Whether a change of a policy needs a second person: it changes what holds where one is asked for, in production."""

from __future__ import annotations

from django.db.models import Q

from accounts.errors import Conflict
from integrations.domain.approval import ApprovalState
from integrations.errors import APPROVAL_NEEDED
from integrations.models import ApprovalRequest, Deployment
from integrations.models.connector import Environment
from integrations.services.policy_places import Proposal, default_of, laid_over, proposed_for

RULE = "approval.activate"


def change_of(proposal: Proposal, description: str) -> dict[str, object]:
    """The proposal as the request of an approval keeps it."""
    return {
        "name": proposal.name,
        "description": description,
        "rules": proposal.rules,
        "limits": sorted(proposal.limits),
        "is_default": proposal.is_default,
        "revision": proposal.revision,
    }


def refuse_unapproved_change(proposal: Proposal, approval: ApprovalRequest | None) -> None:
    """Raise Conflict where the change needs an approval and this is not the one."""
    if approval is not None and _is_for(approval, proposal):
        return
    name = _production_under(proposal)
    if name:
        raise Conflict(
            APPROVAL_NEEDED, f"It changes what holds for “{name}” in production, where a second person approves."
        )


def _is_for(approval: ApprovalRequest, proposal: Proposal) -> bool:
    own = proposal.policy.pk if proposal.policy else None
    asked = change_of(proposal, str(approval.change.get("description", "")))
    return approval.state == ApprovalState.APPROVED and approval.policy_id == own and approval.change == asked


def _production_under(proposal: Proposal) -> str:
    """The first integration in production that asks for a second person and for which a value would change."""
    default = default_of(proposal.workspace)
    related = ("integration__policy", "version__source__policy", "version__destination__policy")
    in_production = Q(environment=Environment.PRODUCTION) | Q(version__destination__environment=Environment.PRODUCTION)
    rows = Deployment.objects.of(proposal.workspace).filter(in_production)
    for each in rows.select_related(*related).order_by("integration__name"):
        ends, integration = (each.version.source, each.version.destination), each.integration
        if not any(laid_over(default, end, integration).is_on(RULE) for end in ends):
            continue
        for end in ends:
            before, after = laid_over(default, end, integration), proposed_for(proposal, default, end, integration)
            if any(before.rules[name].value != after.rules[name].value for name in before.rules):
                return integration.name
    return ""
