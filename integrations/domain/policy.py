"""Policies as plain values: the rules there are, and what remains of them after inheritance.

A rule comes from the instance (the defaults below), and the workspace's default policy, the connector's and the
integration's policy may each set it anew, in that order. A rule that nothing would act on does not exist here, so it
cannot be saved.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import TypeGuard

Number = int | float


@dataclass(frozen=True)
class Rule:
    """One rule: its bounds, its default (the instance level), its unit, and what it makes happen."""

    name: str
    label: str
    default: Number
    minimum: Number
    maximum: Number
    unit: str
    help: str
    whole: bool = True

    @property
    def section(self) -> str:
        return self.name.partition(".")[0]


RULES: dict[str, Rule] = {
    rule.name: rule
    for rule in (
        Rule(
            "retry.attempts",
            "Attempts",
            5,
            1,
            50,
            "",
            "How often a run is tried before it fails, and a request within it.",
        ),
        Rule(
            "retry.first_delay_seconds",
            "First delay",
            2,
            0,
            3600,
            "s",
            "The wait before the second attempt; it doubles from there.",
            whole=False,
        ),
        Rule("retry.longest_delay_seconds", "Longest delay", 300, 1, 86_400, "s", "No wait is longer than this."),
        Rule(
            "retry.longest_retry_after_seconds",
            "Longest Retry-After",
            3600,
            1,
            86_400,
            "s",
            "What the other system asks for is honoured up to this.",
        ),
        Rule("timeout.connect_seconds", "Connect", 5, 1, 120, "s", "How long to wait for a connection.", whole=False),
        Rule("timeout.read_seconds", "Read", 30, 1, 600, "s", "How long to wait for an answer.", whole=False),
        Rule(
            "timeout.run_seconds",
            "Whole run",
            86_400,
            10,
            7 * 86_400,
            "s",
            "A run that takes longer fails, with its checkpoint kept.",
        ),
        Rule(
            "limit.pages",
            "Pages in a slice",
            100_000,
            1,
            10_000_000,
            "",
            "A read that asks for more pages than this is stopped.",
        ),
        Rule(
            "limit.answer_megabytes",
            "One answer",
            64,
            1,
            1024,
            "MB",
            "A larger answer, after decompression, is refused.",
        ),
        Rule("limit.batch_records", "Records in a batch", 50_000, 1, 1_000_000, "", "A checkpoint follows each batch."),
        Rule(
            "tolerance.set_aside_percent",
            "Set aside at most",
            20,
            0,
            100,
            "%",
            "When a larger share of a run's records is set aside, the run fails.",
            whole=False,
        ),
    )
}

SECTIONS: dict[str, str] = {"retry": "Retry", "timeout": "Timeouts", "limit": "Limits", "tolerance": "Tolerance"}
INSTANCE = "instance"


@dataclass(frozen=True)
class Level:
    """A policy at its level of inheritance: the level's name ("workspace", ...), the policy's name, its rules."""

    level: str
    policy: str
    rules: Mapping[str, Number]


@dataclass(frozen=True)
class EffectiveRule:
    """The value that holds, where it came from, and what it replaced."""

    rule: Rule
    value: Number
    level: str
    policy: str
    replaced: tuple[tuple[str, Number], ...] = ()


@dataclass(frozen=True)
class EffectivePolicy:
    """What remains after instance -> workspace -> connector -> integration."""

    rules: Mapping[str, EffectiveRule]

    def value(self, name: str) -> Number:
        return self.rules[name].value


def problems_of(rules: Mapping[str, object]) -> dict[str, str]:
    """Map the name of each rule that cannot be used to the sentence that says why."""
    problems: dict[str, str] = {}
    for name, value in rules.items():
        rule = RULES.get(name)
        if rule is None:
            problems[name] = f"There is no rule “{name}”. It would do nothing, so it is refused."
        elif not _is_number(value) or (rule.whole and value != int(value)):
            problems[name] = f"{rule.label} is a {'whole number' if rule.whole else 'number'}."
        elif not rule.minimum <= value <= rule.maximum:
            problems[name] = (
                f"{rule.label} is between {rule.minimum} and {rule.maximum}{' ' + rule.unit if rule.unit else ''}."
            )
    return problems


def _is_number(value: object) -> TypeGuard[Number]:
    return (
        isinstance(value, int | float) and not isinstance(value, bool) and (isinstance(value, int) or isfinite(value))
    )


def effective(levels: Sequence[Level]) -> EffectivePolicy:
    """Lay the levels over the instance's defaults, the later over the earlier."""
    rules = {name: EffectiveRule(rule, rule.default, INSTANCE, "") for name, rule in RULES.items()}
    for level in levels:
        for name, value in level.rules.items():
            below = rules[name]
            rules[name] = EffectiveRule(
                below.rule, value, level.level, level.policy, (*below.replaced, (below.level, below.value))
            )
    return EffectivePolicy(rules)
