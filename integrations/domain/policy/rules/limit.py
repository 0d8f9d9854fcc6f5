"""How much at once."""

from __future__ import annotations

from integrations.domain.policy.rule import NumberRule, ReadFrom, Rule, Tighter

SECTION = ("limit", "Limits")
RULES: tuple[Rule, ...] = (
    NumberRule(
        name="limit.pages",
        label="Pages in a slice",
        help="A read that asks for more pages than this is stopped.",
        default=100_000,
        minimum=1,
        maximum=10_000_000,
        tighter=Tighter.LOWER,
        read_from=ReadFrom.SOURCE,
    ),
    NumberRule(
        name="limit.answer_megabytes",
        label="One answer",
        help="A larger answer, after decompression, is refused.",
        default=64,
        minimum=1,
        maximum=1024,
        unit="MB",
        tighter=Tighter.LOWER,
        read_from=ReadFrom.EACH,
    ),
    NumberRule(
        name="limit.batch_records",
        label="Records in a batch",
        help="A checkpoint follows each batch.",
        default=50_000,
        minimum=1,
        maximum=1_000_000,
        tighter=Tighter.LOWER,
    ),
)
