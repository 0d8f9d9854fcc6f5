"""What a change of a policy made different, in words; and what others changed since somebody read it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from accounts.models import AuditEntry
from integrations.domain.policy import RULES
from integrations.models import Policy

_ARROW = "\N{RIGHTWARDS ARROW}"
_PLAIN = {"name": "Name", "description": "Description", "is_default": "Default of this workspace"}


@dataclass(frozen=True)
class PolicyChange:
    """One change: whose, when, and what it made different."""

    by: str
    at: datetime
    lines: list[str]

    @property
    def sentence(self) -> str:
        """The lines as one."""
        return "; ".join(self.lines) or "saved it as it was"


def values_of(policy: Policy) -> dict[str, object]:
    """A policy as the audit log keeps it."""
    return {
        "name": policy.name,
        "description": policy.description,
        "rules": policy.rules,
        "limits": policy.limits,
        "is_default": policy.is_default,
        "revision": policy.revision,
    }


def changes_since(policy: Policy, revision: int) -> list[PolicyChange]:
    """What became of a policy after a revision, the oldest change first."""
    found = AuditEntry.objects.of(policy.workspace).filter(
        object_type="policy", object_id=str(policy.pk), action="policy.changed", after__revision__gt=revision
    )
    return [
        PolicyChange(each.actor_label, each.at, differences(each.before or {}, each.after or {}))
        for each in found.order_by("seq")
    ]


def differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """What is different between two values of a policy: plain fields, then rules in the order of the declaration."""
    lines = [
        f"{label}: {_word(before.get(name))} {_ARROW} {_word(after.get(name))}"
        for name, label in _PLAIN.items()
        if name in before and name in after and before[name] != after[name]
    ]
    return lines + [line for name in RULES for line in _of_rule(name, before, after)]


def _of_rule(name: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    was, would = (_shown(name, side) for side in (before, after))
    return [f"{RULES[name].label}: {was} {_ARROW} {would}"] if was != would else []


def _shown(name: str, side: Mapping[str, Any]) -> str:
    rules = side.get("rules", {})
    if name not in rules:
        return "inherited"
    limit = " (a limit)" if name in side.get("limits", ()) else ""
    return RULES[name].shown(rules[name]) + limit


def _word(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value) if value else "none"
