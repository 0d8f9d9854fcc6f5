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
from integrations.errors import POLICY_CHANGED
from integrations.models import ApprovalRequest, Connector, Integration, Policy
from integrations.services.policy_approval import refuse_unapproved_change
from integrations.services.policy_changes import changes_since, values_of
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
    """Create a policy, or change the given one; its `revision` is the one that the change was made from.

    Raises Invalid, at the fields, for a rule that does not exist, is out of bounds, would do nothing where the policy
    holds, contradicts another, or loosens an upper level's limit. Raises Conflict: `policy_changed` where somebody has
    changed it since that revision; `approval_needed` where it changes what holds in production under a policy that asks
    for a second person, and `approval` is not theirs.
    """
    seen = policy.revision if policy else None
    proposal = Proposal(workspace, policy, name.strip(), dict(rules), frozenset(limits), is_default, seen)
    refuse_changed(proposal)
    if problems := problems_with(proposal):
        raise Invalid(INPUT_INVALID, "The policy cannot be saved.", fields=problems)
    refuse_unapproved_change(proposal, approval)
    before = values_of(policy) if policy else None
    changed = policy or Policy(workspace=workspace)
    changed.name, changed.description = proposal.name, description
    changed.rules, changed.limits = proposal.rules, sorted(proposal.limits)
    try:
        with transaction.atomic():
            if policy:
                changed.revision = _take(proposal)
            if is_default:
                _demote_others(changed)
            changed.is_default = is_default
            changed.save()
            _tell(changed, "policy.changed" if before else "policy.created", before=before, after=values_of(changed))
    except IntegrityError as error:
        raise _taken(changed) from error
    return changed


def refuse_changed(proposal: Proposal) -> None:
    """Raise Conflict (`policy_changed`) where the policy is not as it was when the change was begun."""
    policy = proposal.policy
    if policy is not None and not Policy.objects.filter(pk=policy.pk, revision=proposal.revision or 0).exists():
        raise _changed(policy, proposal.revision or 0)


def _take(proposal: Proposal) -> int:
    """Count the change; of two that were begun from one revision, one alone gets through."""
    policy, seen = proposal.policy, proposal.revision or 0
    if policy is None or not Policy.objects.filter(pk=policy.pk, revision=seen).update(revision=seen + 1):
        raise _changed(policy, seen)
    return seen + 1


def _changed(policy: Policy | None, seen: int) -> Conflict:
    changes = changes_since(policy, seen) if policy else []
    told = " ".join(f"{each.by} changed it meanwhile: {each.sentence}." for each in changes)
    current = Policy.objects.filter(pk=policy.pk).values_list("revision", flat=True).first() if policy else None
    if current is None:
        told = "It was deleted meanwhile."
    name = policy.name if policy else ""
    return Conflict(POLICY_CHANGED, f"“{name}” is not as it was when you began. {told}".strip(), revision=current)


def _taken(policy: Policy) -> Conflict:
    """What a refused row means: its name is another's, or another became the default at the same moment."""
    if Policy.objects.of(policy.workspace).filter(name=policy.name).exclude(pk=policy.pk).exists():
        return Conflict(NAME_TAKEN, f"There is already a policy “{policy.name}”.")
    return Conflict(
        STATE_CONFLICT,
        "Another policy became the default of the workspace at the same moment.",
        what_to_do="Save again: this one takes its place.",
    )


def _demote_others(policy: Policy) -> None:
    """There is one default: another policy's turn is over, which is a change of that one."""
    for old in Policy.objects.of(policy.workspace).filter(is_default=True).exclude(pk=policy.pk):
        before = values_of(old)
        old.is_default, old.revision = False, old.revision + 1
        old.save(update_fields=["is_default", "revision", "updated_at"])
        _tell(old, "policy.changed", before=before, after=values_of(old))


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
        _tell(policy, "policy.deleted", before=values_of(policy))
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


def _tell(
    policy: Policy, action: str, *, before: dict[str, object] | None = None, after: dict[str, object] | None = None
) -> None:
    audit.record(workspace=policy.workspace, action=action, object=policy, before=before, after=after)
    events.append(workspace=policy.workspace, topic="policy", object_id=policy.pk, kind=action)
