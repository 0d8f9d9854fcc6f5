"""What holds for a flow: the policies at both of its ends, for a run, a deployment, and what one end did."""

from __future__ import annotations

from accounts.errors import SignalboxError
from integrations.domain import policy as rules_of
from integrations.domain.policy import RULES, End, FlowPolicy
from integrations.errors import POLICY_UNUSABLE, NeedsPerson
from integrations.models import Deployment, Integration, IntegrationVersion, Policy, Run
from integrations.services.policy_places import default_of, laid_over

# What a query of deployments joins, so that no policy is read one by one.
POLICIES = ("integration__policy", "version__source__policy", "version__destination__policy")


def policy_of_version(version: IntegrationVersion, integration: Integration, default: Policy | None) -> FlowPolicy:
    """What holds when this version runs, under the workspace's default policy."""
    return FlowPolicy(
        laid_over(default, version.source, integration), laid_over(default, version.destination, integration)
    )


def policy_of_deployment(deployment: Deployment) -> FlowPolicy:
    """What holds for a deployment's active version."""
    return policy_of_version(deployment.version, deployment.integration, default_of(deployment.workspace))


def policy_of_run(run: Run) -> FlowPolicy:
    """What holds for a run. Raises NeedsPerson where a stored rule has a value that this release cannot use."""
    version, integration = run.version, run.deployment.integration
    default = default_of(run.workspace)
    for policy in (default, version.source.policy, version.destination.policy, integration.policy):
        if policy is not None:
            _refuse_unusable(policy)
    return policy_of_version(version, integration, default)


def end_of(version: IntegrationVersion, error: SignalboxError) -> End | None:
    """Which end an error came from; None where it does not say, or both ends are one connector."""
    named = {str(version.source_id): End.SOURCE, str(version.destination_id): End.DESTINATION}
    return named.get(str(error.detail.get("connector"))) if len(named) > 1 else None


def _refuse_unusable(policy: Policy) -> None:
    known = {name: value for name, value in policy.rules.items() if name in RULES}
    problems = rules_of.problems_of(known)
    if problems:
        named = " ".join(problems.values())
        raise NeedsPerson(POLICY_UNUSABLE, f"The policy “{policy.name}” holds what this release cannot use: {named}")
