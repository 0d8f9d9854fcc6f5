"""How much all integrations that share a credential or a host may ask of it."""

from __future__ import annotations

from integrations.domain.policy.rule import NumberRule, ReadFrom, Rule, Tighter

SECTION = ("budget", "Budgets")
RULES: tuple[Rule, ...] = (
    NumberRule(
        name="budget.requests_per_minute",
        label="Requests a minute",
        help="For all that share the credential or host together; the tightest of their policies holds.",
        default=0,
        minimum=0,
        maximum=1_000_000,
        zero="no bound",
        tighter=Tighter.LOWER,
        read_from=ReadFrom.EACH,
    ),
    NumberRule(
        name="budget.burst",
        label="Burst",
        help="So many at once after a quiet time. A minute sees at most this much more than its requests.",
        default=10,
        minimum=1,
        maximum=10_000,
        tighter=Tighter.LOWER,
        read_from=ReadFrom.EACH,
        acts_with=("budget.requests_per_minute",),
    ),
    NumberRule(
        name="budget.concurrent",
        label="At once",
        help="Database sessions and API clients open at the same time, for all that share the credential or host.",
        default=0,
        minimum=0,
        maximum=10_000,
        zero="no bound",
        tighter=Tighter.LOWER,
        read_from=ReadFrom.EACH,
    ),
)
