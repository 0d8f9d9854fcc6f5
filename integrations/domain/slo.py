"""The error budget of a success target: how many runs may fail, and how much of that is left."""

from __future__ import annotations

from dataclasses import dataclass

WINDOW_DAYS = 30


@dataclass(frozen=True)
class ErrorBudget:
    """`allowed` failures (a share of all judged runs, not rounded), and those that were."""

    target_percent: float
    succeeded: int
    failed: int

    @property
    def judged(self) -> int:
        return self.succeeded + self.failed

    @property
    def success_percent(self) -> float | None:
        return 100 * self.succeeded / self.judged if self.judged else None

    @property
    def allowed(self) -> float:
        return self.judged * (100 - self.target_percent) / 100

    @property
    def left_percent(self) -> float:
        """What is left of the allowed failures: 100 with none, 0 when all are used, below 0 when the target is missed.

        A target of 100 % allows none: one failure spends it whole.
        """
        if not self.failed:
            return 100.0
        return 100 * (1 - self.failed / self.allowed) if self.allowed else -100.0

    @property
    def is_met(self) -> bool:
        return self.failed <= self.allowed
