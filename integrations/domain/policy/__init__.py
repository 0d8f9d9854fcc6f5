"""Policies as plain values: the rules there are, what may be set, and what remains of them after inheritance.

A rule comes from the instance (its default), and the workspace's default policy, the connector's and the integration's
policy may each set it anew, in that order; a level that marks its value as a limit lets the lower ones only tighten
it. A rule that nothing would act on does not exist here, so it cannot be saved. To add one: `rules/<section>.py`.
"""

from integrations.domain.policy.ends import FlowPolicy
from integrations.domain.policy.inheritance import (
    INSTANCE,
    Bound,
    EffectivePolicy,
    EffectiveRule,
    Level,
    effective,
)
from integrations.domain.policy.lists import Item, ListRule
from integrations.domain.policy.problems import (
    Spot,
    contradictions,
    idle,
    limit_problems,
    loosened,
    misplaced,
    problems_of,
    why_idle,
)
from integrations.domain.policy.registry import RULES, SECTIONS
from integrations.domain.policy.rule import (
    LEVELS,
    ChoiceRule,
    End,
    Number,
    NumberRule,
    ReadFrom,
    Rule,
    RuleKind,
    SwitchRule,
    Tighter,
    Value,
)

__all__ = [
    "INSTANCE",
    "LEVELS",
    "RULES",
    "SECTIONS",
    "Bound",
    "ChoiceRule",
    "EffectivePolicy",
    "EffectiveRule",
    "End",
    "FlowPolicy",
    "Item",
    "Level",
    "ListRule",
    "Number",
    "NumberRule",
    "ReadFrom",
    "Rule",
    "RuleKind",
    "Spot",
    "SwitchRule",
    "Tighter",
    "Value",
    "contradictions",
    "effective",
    "idle",
    "limit_problems",
    "loosened",
    "misplaced",
    "problems_of",
    "why_idle",
]
