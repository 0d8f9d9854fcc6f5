"""When to stop calling a system that fails."""

from __future__ import annotations

from integrations.domain.policy.rule import NumberRule, ReadFrom, Rule, Tighter

SECTION = ("breaker", "Circuit breaker")
RULES: tuple[Rule, ...] = (
    NumberRule(
        name="breaker.failure_percent",
        label="Opens at failures",
        help="When so large a share of the calls to a host fail, no more go out; its runs wait and lose no attempt.",
        default=50,
        minimum=0,
        maximum=100,
        unit="%",
        zero="never",
        tighter=Tighter.LOWER,
        read_from=ReadFrom.EACH,
    ),
    NumberRule(
        name="breaker.minimum_calls",
        label="Among at least",
        help="Fewer calls within the window prove nothing.",
        default=20,
        minimum=1,
        maximum=100_000,
        unit="calls",
        tighter=Tighter.LOWER,
        read_from=ReadFrom.EACH,
        acts_with=("breaker.failure_percent",),
    ),
    NumberRule(
        name="breaker.window_seconds",
        label="Within",
        help="Calls and failures count for so long.",
        default=60,
        minimum=1,
        maximum=3600,
        unit="s",
        read_from=ReadFrom.EACH,
        acts_with=("breaker.failure_percent",),
    ),
    NumberRule(
        name="breaker.open_seconds",
        label="Stays open",
        help="Then one call at a time probes whether the host works again; no two probes begin within this.",
        default=30,
        minimum=1,
        maximum=86_400,
        unit="s",
        tighter=Tighter.HIGHER,
        read_from=ReadFrom.EACH,
        acts_with=("breaker.failure_percent",),
    ),
)
