"""How many runs are at work at the same time; a run that must wait takes no worker."""

from __future__ import annotations

from integrations.domain.policy.rule import NumberRule, ReadFrom, Rule, Tighter

WORKSPACE_RUNS = "concurrency.workspace_runs"
CONNECTOR_RUNS = "concurrency.connector_runs"

SECTION = ("concurrency", "Runs at once")
RULES: tuple[Rule, ...] = (
    NumberRule(
        name=WORKSPACE_RUNS,
        label="In the workspace",
        help="So many runs work at once; the next waits until one of them ends or hands over. Partitions count as one.",
        default=0,
        minimum=0,
        maximum=1_000,
        zero="no bound",
        tighter=Tighter.LOWER,
        levels=frozenset({"workspace"}),
        read_from=ReadFrom.EACH,
    ),
    NumberRule(
        name=CONNECTOR_RUNS,
        label="Over a connector",
        help="So many runs read from or write to one connector at once; the next waits.",
        default=0,
        minimum=0,
        maximum=1_000,
        zero="no bound",
        tighter=Tighter.LOWER,
        levels=frozenset({"workspace", "connector"}),
        read_from=ReadFrom.EACH,
    ),
)
