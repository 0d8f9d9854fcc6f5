"""What share of runs shall succeed."""

from __future__ import annotations

from integrations.domain.policy.rule import NumberRule, Rule, Tighter

SECTION = ("slo", "Service level")
RULES: tuple[Rule, ...] = (
    NumberRule(
        name="slo.success_percent",
        label="Runs that succeed",
        help="The target over 30 days; the integration's page shows the error budget that is left.",
        default=0,
        minimum=0,
        maximum=100,
        unit="%",
        whole=False,
        zero="no target",
        tighter=Tighter.HIGHER,
    ),
)
