"""Changes of policies, and the effective policy of a connector or an integration."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from django.db import IntegrityError, transaction

from accounts import audit
from accounts.errors import INPUT_INVALID, NAME_TAKEN, STATE_CONFLICT, Conflict, Invalid
from accounts.models import Workspace
from integrations import events
from integrations.connectors.base import Limits
from integrations.domain import policy as rules_of
from integrations.domain.policy import EffectivePolicy, Spot, Value
from integrations.models import ApprovalRequest, Connector, Integration, Policy
from integrations.services.policy_approval import refuse_unapproved_change
from integrations.services.policy_masks import mask_problems
from integrations.services.policy_places import Proposal, default_of, laid_over, problems_in_places

AWAITED_SECONDS = 10.0
AWAITED_PAGES = 20


def save_policy(
    *,
    workspace: Workspace,
    policy: Policy | None,
    name: str,
    description: str,
    rules: Mapping[str, Value],
    limits: Sequence[str] = (),
    is_default: bool = False,
    approval: ApprovalRequest | None = None,
) -> Policy:
    """Create a policy, or change the given one.

    Raises Invalid, at the fields, for a rule that does not exist, is out of bounds, would do nothing where the policy
    holds, contradicts another, or loosens an upper level's limit. Raises Conflict (`approval_needed`) where it changes
    what holds in production under a policy that asks for a second person, and `approval` is not theirs.
    """
    proposal = Proposal(workspace, policy, name.strip(), dict(rules), frozenset(limits), is_default)
    problems = problems_with(proposal)
    if problems:
        raise Invalid(INPUT_INVALID, "The policy cannot be saved.", fields=problems)
    refuse_unapproved_change(proposal, approval)
    before = _as_values(policy) if policy else None
    changed = policy or Policy(workspace=workspace)
    changed.name, changed.description = proposal.name, description
    changed.rules, changed.limits = proposal.rules, sorted(proposal.limits)
    try:
        with transaction.atomic():
            if is_default:
                Policy.objects.filter(workspace=workspace, is_default=True).exclude(pk=changed.pk).update(
                    is_default=False
                )
            changed.is_default = is_default
            changed.save()
            _tell(changed, "policy.changed" if before else "policy.created", before=before, after=_as_values(changed))
    except IntegrityError as error:
        raise Conflict(NAME_TAKEN, f"There is already a policy “{name}”.") from error
    return changed


def problems_with(proposal: Proposal) -> dict[str, str]:
    """Map each field of a policy that cannot be saved to the sentence that says why."""
    problems = rules_of.problems_of(proposal.rules)
    if not proposal.name:
        problems["name"] = "Enter a name."
    for name, sentence in rules_of.limit_problems(proposal.rules, proposal.limits).items():
        problems.setdefault(name, sentence)
    if not problems:
        problems = problems_in_places(proposal) or mask_problems(proposal)
    if not problems and proposal.is_default:
        problems = _problems_of_old_default(proposal)
    return problems


def _problems_of_old_default(proposal: Proposal) -> dict[str, str]:
    """The default whose place is taken may hold rules that act for a workspace alone."""
    old = default_of(proposal.workspace)
    if old is None or (proposal.policy is not None and old.pk == proposal.policy.pk):
        return {}
    inert = rules_of.misplaced(old.rules, [Spot("connector"), Spot("integration")])
    named = ", ".join(rules_of.RULES[name].label for name in inert)
    return {"is_default": f"“{old.name}” sets {named}, which only the default may. Take it out there."} if inert else {}


def delete_policy(*, policy: Policy) -> None:
    """Delete a policy that nothing is under."""
    users = [
        *policy.connectors.values_list("name", flat=True)[:5],
        *policy.integrations.values_list("name", flat=True)[:5],
    ]
    if users:
        raise Conflict(
            STATE_CONFLICT,
            f"“{policy.name}” applies to {', '.join(users)}.",
            what_to_do="Choose another policy there first.",
        )
    refuse_unapproved_change(Proposal(policy.workspace, policy, policy.name, {}, frozenset(), is_default=False), None)
    with transaction.atomic():
        _tell(policy, "policy.deleted", before=_as_values(policy))
        policy.delete()


def effective_policy(
    *, workspace: Workspace, connector: Connector | None = None, integration: Integration | None = None
) -> EffectivePolicy:
    """What holds for a connector, or for a connector within an integration, with where each value came from."""
    return laid_over(default_of(workspace), connector, integration)


def limits_of(policy: EffectivePolicy) -> Limits:
    """The part of a policy that a connector keeps by itself."""
    return Limits(
        connect_timeout_seconds=float(policy.value("timeout.connect_seconds")),
        read_timeout_seconds=float(policy.value("timeout.read_seconds")),
        max_answer_bytes=int(policy.value("limit.answer_megabytes")) * 1024 * 1024,
        max_pages=int(policy.value("limit.pages")),
        attempts=int(policy.value("retry.attempts")),
        backoff_initial_seconds=float(policy.value("retry.first_delay_seconds")),
        backoff_max_seconds=float(policy.value("retry.longest_delay_seconds")),
        retry_after_max_seconds=float(policy.value("retry.longest_retry_after_seconds")),
    )


def awaited(limits: Limits) -> Limits:
    """The same limits, tightened to what a person waits for: one attempt, short timeouts, few pages."""
    return replace(
        limits,
        attempts=1,
        connect_timeout_seconds=min(limits.connect_timeout_seconds, AWAITED_SECONDS),
        read_timeout_seconds=min(limits.read_timeout_seconds, AWAITED_SECONDS),
        max_pages=min(limits.max_pages, AWAITED_PAGES),
    )


def _as_values(policy: Policy) -> dict[str, object]:
    return {"name": policy.name, "rules": policy.rules, "limits": policy.limits, "is_default": policy.is_default}


def _tell(
    policy: Policy, action: str, *, before: dict[str, object] | None = None, after: dict[str, object] | None = None
) -> None:
    audit.record(workspace=policy.workspace, action=action, object=policy, before=before, after=after)
    events.append(workspace=policy.workspace, topic="policy", object_id=policy.pk, kind=action)
