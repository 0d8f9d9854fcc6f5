"""How often and how patiently a run and its requests are tried."""

from __future__ import annotations

from integrations.domain.policy.rule import NumberRule, ReadFrom, Rule, Tighter

SECTION = ("retry", "Retry")
RULES: tuple[Rule, ...] = (
    NumberRule(
        name="retry.attempts",
        label="Attempts",
        help="How often a run is tried before it fails, and a request within it.",
        default=5,
        minimum=1,
        maximum=50,
        tighter=Tighter.LOWER,
        read_from=ReadFrom.EACH,
    ),
    NumberRule(
        name="retry.first_delay_seconds",
        label="First delay",
        help="The wait before the second attempt; it doubles from there.",
        default=2,
        minimum=0,
        maximum=3600,
        unit="s",
        whole=False,
        tighter=Tighter.HIGHER,
        read_from=ReadFrom.EACH,
    ),
    NumberRule(
        name="retry.longest_delay_seconds",
        label="Longest delay",
        help="No wait is longer than this.",
        default=300,
        minimum=1,
        maximum=86_400,
        unit="s",
        read_from=ReadFrom.EACH,
    ),
    NumberRule(
        name="retry.longest_retry_after_seconds",
        label="Longest Retry-After",
        help="What the other system asks for is honoured up to this.",
        default=3600,
        minimum=1,
        maximum=86_400,
        unit="s",
        read_from=ReadFrom.EACH,
    ),
)
