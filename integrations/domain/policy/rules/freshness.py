"""How old the last success may be."""

from __future__ import annotations

from integrations.domain.policy.rule import NumberRule, Rule, Tighter

SECTION = ("freshness", "Freshness")
RULES: tuple[Rule, ...] = (
    NumberRule(
        name="freshness.longest_minutes",
        label="Last success at most",
        help="When the last success is older, the integration is stale, and says so everywhere.",
        default=0,
        minimum=0,
        maximum=366 * 24 * 60,
        unit="min",
        zero="never stale",
        tighter=Tighter.LOWER,
    ),
)
