"""What needs a second person."""

from __future__ import annotations

from integrations.domain.policy.rule import Rule, SwitchRule, Tighter

SECTION = ("approval", "Approval")
RULES: tuple[Rule, ...] = (
    SwitchRule(
        name="approval.activate",
        label="In production, a second person",
        help="A new version becomes active, and a policy over it changes, only when another member approves.",
        default=False,
        tighter=Tighter.HIGHER,
    ),
)
