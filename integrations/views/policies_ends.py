"""What the pages of policies say of a flow: each rule at both of its ends, which one holds, and when it last acted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from integrations.domain.policy import SECTIONS, EffectiveRule, End, FlowPolicy, ListRule, ReadFrom, Rule
from integrations.services.policy_actions import LastAction
from integrations.views.policies_words import is_set


@dataclass(frozen=True)
class EndValue:
    """What the chain of one end says: whether that holds, and what there is to say of it beside the other end's."""

    effective: EffectiveRule
    holds: bool = True
    note: str = ""


@dataclass(frozen=True)
class EndsRow:
    """A rule at both ends; nothing where it is not read from an end's chain."""

    rule: Rule
    reading: EndValue | None
    writing: EndValue | None
    last: LastAction | None

    @property
    def tells(self) -> bool:
        """Whether a policy has a hand in it, or it acted."""
        ends = (end for end in (self.reading, self.writing) if end)
        return self.last is not None or any(is_set(end.effective) for end in ends)


Sections = Sequence[tuple[str, list[EndsRow]]]


def ends_sections(flow: FlowPolicy, last: Mapping[str, LastAction]) -> Sections:
    """The rules by section, in the order of the declaration."""
    rows = [_row(flow, name, last.get(name)) for name in flow.reading.rules]
    return [(title, [row for row in rows if row.rule.section == key]) for key, title in SECTIONS.items()]


def telling_ends(sections: Sections) -> Sections:
    """Only the rules that a policy has a hand in, or that acted."""
    kept = [(title, [row for row in rows if row.tells]) for title, rows in sections]
    return [(title, rows) for title, rows in kept if rows]


def _row(flow: FlowPolicy, name: str, last: LastAction | None) -> EndsRow:
    reading, writing = flow.reading.rules[name], flow.writing.rules[name]
    rule = reading.rule
    if rule.read_from is ReadFrom.BOTH and reading.value != writing.value:
        return EndsRow(rule, *_compared(flow, name), last)
    return EndsRow(
        rule,
        EndValue(reading) if rule.acts_at(End.SOURCE) else None,
        EndValue(writing) if rule.acts_at(End.DESTINATION) else None,
        last,
    )


def _compared(flow: FlowPolicy, name: str) -> tuple[EndValue, EndValue]:
    reading, writing, held = (policy.rules[name] for policy in (flow.reading, flow.writing, flow.whole))
    if isinstance(reading.rule, ListRule):
        note = "holds together with the other end's" if reading.value and writing.value else "holds"
        return EndValue(reading, note=note if reading.value else ""), EndValue(
            writing, note=note if writing.value else ""
        )
    if held.value == reading.value:
        return EndValue(reading, note="holds"), EndValue(writing, False, "the source's is stricter and holds")
    return EndValue(reading, False, "the destination's is stricter and holds"), EndValue(writing, note="holds")
