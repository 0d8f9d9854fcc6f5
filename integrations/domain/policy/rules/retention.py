"""How long what is over is kept."""

from __future__ import annotations

from integrations.domain.policy.rule import WORKSPACE, NumberRule, Rule, Tighter

SECTION = ("retention", "Retention")
_TEN_YEARS = 3650
RULES: tuple[Rule, ...] = (
    NumberRule(
        name="retention.runs_days",
        label="Ended runs",
        help="Older ones are deleted. The last run, the last success, and runs with dead letters or with batches that "
        "nobody has judged yet stay.",
        default=365,
        minimum=1,
        maximum=_TEN_YEARS,
        unit="d",
        tighter=Tighter.LOWER,
    ),
    NumberRule(
        name="retention.dead_letters_days",
        label="Settled dead letters",
        help="Redriven or discarded ones are deleted so long after that. Open ones stay until somebody settles them.",
        default=90,
        minimum=1,
        maximum=_TEN_YEARS,
        unit="d",
        tighter=Tighter.LOWER,
    ),
    NumberRule(
        name="retention.events_days",
        label="Events",
        help="Older lines of the live log are deleted; the audit log is not touched.",
        default=90,
        minimum=1,
        maximum=_TEN_YEARS,
        unit="d",
        tighter=Tighter.LOWER,
        levels=frozenset({WORKSPACE}),
    ),
)
