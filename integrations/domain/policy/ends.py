"""What holds for a whole flow: the policies of its two ends, laid together rule by rule."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import cast

from integrations.domain.policy.inheritance import EffectivePolicy, EffectiveRule
from integrations.domain.policy.rule import End, Number, NumberRule, ReadFrom, Tighter


@dataclass(frozen=True)
class FlowPolicy:
    """The effective policies of the connector that is read, and of the one that is written, in one integration."""

    reading: EffectivePolicy
    writing: EffectivePolicy

    @cached_property
    def whole(self) -> EffectivePolicy:
        """What holds for the run as a whole.

        Of a rule that each end has for itself it is the stricter, for what no end can be named of.
        """
        writing = self.writing.rules
        return EffectivePolicy({name: _laid_together(rule, writing[name]) for name, rule in self.reading.rules.items()})

    def at(self, end: End | None) -> EffectivePolicy:
        """What holds for what one end did; for the whole run where no end is named."""
        if end is None:
            return self.whole
        own = self.reading if end is End.SOURCE else self.writing
        each = {name: rule for name, rule in own.rules.items() if rule.rule.read_from is ReadFrom.EACH}
        return EffectivePolicy({**self.whole.rules, **each})

    def changed_to(self, after: FlowPolicy) -> frozenset[str]:
        """The rules whose value differs at an end where something reads it."""
        ends = ((End.SOURCE, self.reading, after.reading), (End.DESTINATION, self.writing, after.writing))
        return frozenset(
            name
            for end, was, would in ends
            for name, rule in was.rules.items()
            if rule.rule.acts_at(end) and rule.value != would.rules[name].value
        )


def _laid_together(reading: EffectiveRule, writing: EffectiveRule) -> EffectiveRule:
    rule = reading.rule
    if rule.read_from is ReadFrom.SOURCE:
        return reading
    if rule.read_from is ReadFrom.DESTINATION:
        return writing
    if rule.tighter is not Tighter.NONE:
        held = rule.held(reading.value, writing.value)
        winner = writing if held == writing.value and held != reading.value else reading
        return replace(winner, value=held)
    # No side is stricter: a wait is no longer than either end allows.
    if isinstance(rule, NumberRule) and cast(Number, writing.value) < cast(Number, reading.value):
        return writing
    return reading
