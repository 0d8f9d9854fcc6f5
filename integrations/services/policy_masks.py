"""Refuses masks that a destination's field could not hold, before the policy is stored."""

from __future__ import annotations

from integrations.domain.mapping import Mapping
from integrations.domain.masking import masked_fields, masks_of, unfit
from integrations.models import Deployment
from integrations.services.policy_places import Proposal, default_of, proposed_for

RULE = "masking.fields"


def mask_problems(proposal: Proposal) -> dict[str, str]:
    """The first active mapping that could not hold the proposed masks, as a message at the rule."""
    if RULE not in proposal.rules:
        return {}
    default = default_of(proposal.workspace)
    related = ("integration__policy", "version__source__policy", "version__destination__policy")
    for each in Deployment.objects.of(proposal.workspace).select_related(*related):
        version, integration = each.version, each.integration
        ends = (version.source, version.destination)
        masks = masks_of(*(proposed_for(proposal, default, end, integration).items(RULE) for end in ends))
        problems = unfit(masked_fields(Mapping.from_json(version.mapping), masks), version.key)
        if problems:
            return {RULE: f"For “{integration.name}”: {next(iter(problems.values()))}"}
    return {}
