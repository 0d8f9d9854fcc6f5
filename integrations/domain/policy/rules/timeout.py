"""How long to wait."""

from __future__ import annotations

from integrations.domain.policy.rule import NumberRule, ReadFrom, Rule, Tighter

SECTION = ("timeout", "Timeouts")
RULES: tuple[Rule, ...] = (
    NumberRule(
        name="timeout.connect_seconds",
        label="Connect",
        help="How long to wait for a connection.",
        default=5,
        minimum=1,
        maximum=120,
        unit="s",
        whole=False,
        tighter=Tighter.LOWER,
        read_from=ReadFrom.EACH,
    ),
    NumberRule(
        name="timeout.read_seconds",
        label="Read",
        help="How long to wait for an answer.",
        default=30,
        minimum=1,
        maximum=600,
        unit="s",
        whole=False,
        tighter=Tighter.LOWER,
        read_from=ReadFrom.EACH,
    ),
    NumberRule(
        name="timeout.run_seconds",
        label="Whole run",
        help="A run that takes longer fails, with its checkpoint kept.",
        default=86_400,
        minimum=10,
        maximum=7 * 86_400,
        unit="s",
        tighter=Tighter.LOWER,
    ),
)
