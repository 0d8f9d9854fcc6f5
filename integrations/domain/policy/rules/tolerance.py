"""How much a run may leave behind."""

from __future__ import annotations

from integrations.domain.policy.rule import NumberRule, Rule, Tighter

SECTION = ("tolerance", "Tolerance")
RULES: tuple[Rule, ...] = (
    NumberRule(
        name="tolerance.set_aside_percent",
        label="Set aside at most",
        help="When a larger share of a run's records is set aside, the run fails.",
        default=20,
        minimum=0,
        maximum=100,
        unit="%",
        whole=False,
        tighter=Tighter.LOWER,
    ),
)
