"""What remains of the levels' rules: the later over the earlier, held by the limits of upper levels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import cast

from integrations.domain.policy.lists import Item, items_of
from integrations.domain.policy.registry import RULES
from integrations.domain.policy.rule import Number, Rule, Value

INSTANCE = "instance"


@dataclass(frozen=True)
class Level:
    """A policy at its level of inheritance: the level's name, the policy's name, its rules, and which are limits."""

    level: str
    policy: str
    rules: Mapping[str, Value]
    limits: frozenset[str] = field(default_factory=frozenset)


@dataclass(frozen=True)
class Bound:
    """A limit of an upper level: lower ones may tighten it and not loosen it."""

    level: str
    policy: str
    value: Value


@dataclass(frozen=True)
class EffectiveRule:
    """The value that holds, where it came from, what it replaced, and what bounds it.

    `asked` is what the nearest level set, where an upper level's limit did not let it hold.
    """

    rule: Rule
    value: Value
    level: str
    policy: str
    replaced: tuple[tuple[str, Value], ...] = ()
    bound: Bound | None = None
    asked: Bound | None = None

    @property
    def shown(self) -> str:
        """The value in words."""
        return self.rule.shown(self.value)

    @property
    def replaced_shown(self) -> list[tuple[str, str]]:
        """The level and the value in words of what it replaced, the nearest first."""
        return [(level, self.rule.shown(value)) for level, value in reversed(self.replaced)]

    @property
    def bound_shown(self) -> str:
        return self.rule.shown(self.bound.value) if self.bound else ""

    @property
    def asked_shown(self) -> str:
        return self.rule.shown(self.asked.value) if self.asked else ""


@dataclass(frozen=True)
class EffectivePolicy:
    """What remains after instance -> workspace -> connector -> integration."""

    rules: Mapping[str, EffectiveRule]

    def value(self, name: str) -> Number:
        """The value of a number rule."""
        return cast(Number, self.rules[name].value)

    def choice(self, name: str) -> str:
        """The chosen name of a choice rule."""
        return str(self.rules[name].value)

    def is_on(self, name: str) -> bool:
        """Whether a switch is on."""
        return bool(self.rules[name].value)

    def items(self, name: str) -> Sequence[Item]:
        """The items of a list rule."""
        return items_of(self.rules[name].value)


def effective(levels: Sequence[Level]) -> EffectivePolicy:
    """Lay the levels over the instance's defaults. A rule that this release does not know is passed over."""
    rules = {name: EffectiveRule(rule, rule.default, INSTANCE, "") for name, rule in RULES.items()}
    for level in levels:
        for name in [name for name in level.rules if name in rules]:
            rules[name] = _laid_over(rules[name], level, level.rules[name], is_limit=name in level.limits)
    return EffectivePolicy(rules)


def _laid_over(below: EffectiveRule, level: Level, value: Value, *, is_limit: bool) -> EffectiveRule:
    asked = Bound(level.level, level.policy, value)
    held = below.rule.held(value, below.bound.value) if below.bound else value
    bound = Bound(level.level, level.policy, held) if is_limit else below.bound
    is_clamped = below.bound is not None and below.rule.loosens(value, below.bound.value)
    return EffectiveRule(
        rule=below.rule,
        value=held,
        level=level.level,
        policy=level.policy,
        replaced=(*below.replaced, (below.level, below.value)),
        bound=bound,
        asked=asked if is_clamped else None,
    )
