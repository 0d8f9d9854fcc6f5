"""What is wrong with rules that somebody wants to save: unknown, out of bounds, contradictory, or loosened."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from integrations.domain.policy.inheritance import EffectivePolicy, EffectiveRule
from integrations.domain.policy.registry import RULES
from integrations.domain.policy.rule import CONNECTOR, End, NumberRule, Rule, Tighter, Value


@dataclass(frozen=True)
class _Pair:
    """`smaller` may not be above `larger`, since then it would do nothing."""

    smaller: str
    larger: str


_PAIRS = (
    _Pair("retry.first_delay_seconds", "retry.longest_delay_seconds"),
    _Pair("timeout.connect_seconds", "timeout.run_seconds"),
    _Pair("timeout.read_seconds", "timeout.run_seconds"),
)


def problems_of(rules: Mapping[str, object]) -> dict[str, str]:
    """Map the name of each rule that cannot be used to the sentence that says why."""
    problems: dict[str, str] = {}
    for name, value in rules.items():
        rule = RULES.get(name)
        if rule is None:
            problems[name] = f"There is no rule “{name}”. It would do nothing, so it is refused."
        elif problem := rule.problem_of(value):
            problems[name] = problem
    return problems


def limit_problems(rules: Mapping[str, object], limits: Iterable[str]) -> dict[str, str]:
    """Map the name of each limit that would do nothing to the sentence that says why."""
    problems: dict[str, str] = {}
    for name in limits:
        rule = RULES.get(name)
        if rule is None or name not in rules:
            problems[name] = "A limit needs a value here; without one it would do nothing."
        elif rule.tighter is Tighter.NONE:
            problems[name] = f"{rule.label} has no stricter side, so it cannot be a limit."
    return problems


@dataclass(frozen=True)
class Spot:
    """A level at which a policy holds; and for a connector, at which ends of integrations it stands."""

    level: str
    ends: frozenset[End] = frozenset(End)

    def acts(self, rule: Rule) -> bool:
        """Whether anything reads the rule from here."""
        is_level = not rule.levels or self.level in rule.levels
        return is_level and (self.level != CONNECTOR or any(rule.acts_at(end) for end in self.ends))


def misplaced(rules: Mapping[str, Value], spots: Iterable[Spot]) -> dict[str, str]:
    """Map each rule that nothing acts on at any of these spots to the sentence that says why."""
    held = list(spots)
    known = (RULES[name] for name in rules if name in RULES)
    return {rule.name: _why_inert(rule, held) for rule in known if not any(spot.acts(rule) for spot in held)}


def _why_inert(rule: Rule, spots: list[Spot]) -> str:
    if rule.levels and not any(spot.level in rule.levels for spot in spots):
        return f"{rule.label} acts for the {' or '.join(sorted(rule.levels))} alone; here it would do nothing."
    end = rule.read_from.value
    return (
        f"{rule.label} is read at the {end} of an integration alone, and what is under this policy is none; here it "
        f"would do nothing. Set it at the connector of the {end}, or at the integration."
    )


def idle(rule: Rule, policy: EffectivePolicy) -> bool:
    """Say whether a rule shapes what other rules do, and all of those are switched off."""
    led = [policy.rules[name] for name in rule.acts_with]
    return bool(led) and all(each.rule.is_off(each.value) for each in led)


def why_idle(rule: Rule) -> str:
    """The sentence that says so."""
    led = " or ".join(f"“{RULES[name].label}”" for name in rule.acts_with)
    return f"{rule.label} shapes what {led} does, which is switched off here: set that as well, or leave this out."


def contradictions(policy: EffectivePolicy) -> dict[tuple[str, str], str]:
    """Map each pair of rules that leave each other no room to the sentence that says so."""
    problems: dict[tuple[str, str], str] = {}
    for pair in _PAIRS:
        smaller, larger = policy.rules[pair.smaller], policy.rules[pair.larger]
        if policy.value(pair.smaller) > policy.value(pair.larger):
            problems[pair.smaller, pair.larger] = (
                f"{smaller.rule.label} ({smaller.shown}, {_from(smaller)}) is longer than {larger.rule.label.lower()} "
                f"({larger.shown}, {_from(larger)}): one of them would do nothing."
            )
    return problems


def loosened(policy: EffectivePolicy) -> dict[str, str]:
    """Map each rule whose own value an upper level's limit does not let hold to the sentence that says so."""
    return {
        name: f"“{rule.bound.policy}” ({rule.bound.level}) limits {rule.rule.label.lower()} to "
        f"{rule.bound_shown}; here it may only be {_stricter(rule)}."
        for name, rule in policy.rules.items()
        if rule.asked and rule.bound
    }


def _stricter(rule: EffectiveRule) -> str:
    if isinstance(rule.rule, NumberRule):
        return "lower" if rule.rule.tighter is Tighter.LOWER else "higher"
    return "stricter"


def _from(rule: EffectiveRule) -> str:
    return f"from “{rule.policy}”" if rule.policy else "from the instance"
