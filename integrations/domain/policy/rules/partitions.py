"""Into how many parts a run is cut."""

from __future__ import annotations

from integrations.domain.policy.rule import NumberRule, Rule, Tighter

SECTION = ("partitions", "Partitions")
RULES: tuple[Rule, ...] = (
    NumberRule(
        name="partitions.most",
        label="Partitions of a run",
        help="A full read is cut into so many parts at most, which several workers read at once; 1 reads it whole. "
        "It is cut only where the destination takes parallel writes, and no two parts can hold records of one key.",
        default=4,
        minimum=1,
        maximum=64,
        tighter=Tighter.LOWER,
    ),
    NumberRule(
        name="partitions.least_megabytes",
        label="A partition at least",
        help="What is too small for two parts of this size is read whole.",
        default=16,
        minimum=1,
        maximum=100_000,
        unit="MB",
        tighter=Tighter.HIGHER,
        acts_with=("partitions.most",),
    ),
)
