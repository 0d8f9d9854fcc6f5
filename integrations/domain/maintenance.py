"""Maintenance windows of a policy: weekly, each in its own time zone; when a moment falls into one, until when."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime

from integrations.domain.blackout import Blackout, BlackoutFormatError, blackout_of

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_GROUPS = {"daily": range(7), "weekdays": range(5), "weekends": (5, 6)}
_HOPS_AT_MOST = 20


def blackout_of_items(items: Iterable[Mapping[str, str]]) -> tuple[Blackout, ...]:
    """The windows of a policy's items; BlackoutFormatError says what is wrong with one."""
    return tuple(
        blackout_of(
            {
                "windows": [{"days": _days(item["days"]), "from": item["from"], "to": item["to"]}],
                "time_zone": item["zone"],
            }
        )
        for item in items
    )


def window_end(windows: Iterable[Blackout], moment: datetime) -> datetime | None:
    """When the windows around a moment are over, one after the other where they touch; None outside of them."""
    end = None
    for _ in range(_HOPS_AT_MOST):
        found = [span[1] for each in windows if (span := each.span_at(end or moment))]
        if not found:
            break
        end = max(found)
    return end


def _days(text: str) -> list[int]:
    days: set[int] = set()
    for part in text.replace(",", " ").split():
        first, dash, last = part.partition("-")
        if part in _GROUPS:
            days.update(_GROUPS[part])
        elif first in DAYS and (not dash or last in DAYS):
            start, length = DAYS.index(first), ((DAYS.index(last) - DAYS.index(first)) % 7 if dash else 0)
            days.update((start + step) % 7 for step in range(length + 1))
        else:
            raise BlackoutFormatError(f"There is no day “{part}”. Use {', '.join(DAYS)}, mon-fri, daily or weekends.")
    return sorted(days)
