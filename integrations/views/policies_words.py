"""What the pages of policies say: effective rules by section, each with where its value came from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from accounts.models import Workspace
from integrations.domain.policy import RULES, SECTIONS, EffectivePolicy, EffectiveRule, End, Rule
from integrations.models import Policy
from integrations.services.policy_actions import LastAction


@dataclass(frozen=True)
class ShownRule:
    """An effective rule, the ids of the policies that it and its bound came from, and when it last acted.

    `acts` is false where nothing reads it from here: the connector stands at the other end of integrations.
    """

    effective: EffectiveRule
    policy_id: UUID | None
    bound_id: UUID | None
    last: LastAction | None
    acts: bool = True


def sections_of(
    policy: EffectivePolicy,
    workspace: Workspace,
    last: Mapping[str, LastAction],
    ends: frozenset[End] = frozenset(End),
) -> list[tuple[str, list[ShownRule]]]:
    """The rules by section, in the order of the declaration, for a chain that is read at these ends."""
    ids = dict(Policy.objects.of(workspace).values_list("name", "pk"))
    rules = [
        ShownRule(
            rule,
            ids.get(rule.policy),
            ids.get(rule.bound.policy) if rule.bound else None,
            last.get(name),
            any(rule.rule.acts_at(end) for end in ends),
        )
        for name, rule in policy.rules.items()
    ]
    return [(title, [rule for rule in rules if rule.effective.rule.section == key]) for key, title in SECTIONS.items()]


def telling(sections: Sequence[tuple[str, list[ShownRule]]]) -> list[tuple[str, list[ShownRule]]]:
    """Only the rules that a policy has a hand in, or that acted; all others hold as the instance has them."""
    kept = [(title, [rule for rule in rules if rule.last or is_set(rule.effective)]) for title, rules in sections]
    return [(title, rules) for title, rules in kept if rules]


def is_set(rule: EffectiveRule) -> bool:
    """Whether a policy gave the rule its value or bounds it."""
    return bool(rule.policy or rule.bound)


@dataclass(frozen=True)
class SetRule:
    """A rule that a policy sets: its value in words, and whether lower levels may only tighten it."""

    rule: Rule
    shown: str
    is_limit: bool


def rules_set(policy: Policy) -> list[SetRule]:
    """The rules that a policy sets, in the order of the declaration."""
    return [
        SetRule(rule, rule.shown(policy.rules[name]), name in policy.limits)
        for name, rule in RULES.items()
        if name in policy.rules
    ]
