"""Time windows of charts: how long they are, and how wide their bars."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class Window:
    """`key` stands in the address; a chart of `seconds` has bars of `step_seconds`."""

    key: str
    label: str
    seconds: int
    step_seconds: int
    step_label: str

    def starts(self, now: datetime) -> list[int]:
        """The beginnings of all bars up to now, oldest first, in seconds since the epoch."""
        last = int(now.timestamp()) // self.step_seconds * self.step_seconds
        return list(range(last - self.seconds + self.step_seconds, last + 1, self.step_seconds))


WINDOWS: dict[str, Window] = {
    window.key: window
    for window in (
        Window("1h", "1 h", 3_600, 60, "minute"),
        Window("6h", "6 h", 6 * 3_600, 300, "5 min"),
        Window("24h", "24 h", 24 * 3_600, 900, "15 min"),
        Window("7d", "7 d", 7 * 24 * 3_600, 2 * 3_600, "2 h"),
    )
}
DEFAULT_WINDOW = "24h"


def change_percent(now: float, before: float) -> float | None:
    """How much a figure changed, in percent of what it was; None where it was nothing."""
    return (now - before) / before * 100 if before else None
