"""How fast dead letters are sent again."""

from __future__ import annotations

from integrations.domain.policy.rule import NumberRule, ReadFrom, Rule, Tighter

SECTION = ("redrive", "Redrive")
RULES: tuple[Rule, ...] = (
    NumberRule(
        name="redrive.records_per_second",
        label="Records a second",
        default=100_000,
        minimum=1,
        maximum=100_000,
        unit="/s",
        help="A redrive of dead letters sends no more than this.",
        tighter=Tighter.LOWER,
        read_from=ReadFrom.DESTINATION,
    ),
)
