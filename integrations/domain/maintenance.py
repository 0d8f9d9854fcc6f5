"""Maintenance windows of a policy: weekly, each in its own time zone; when a moment falls into one, until when."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime

from integrations.domain.blackout import Blackout, blackout_of
from integrations.domain.weekdays import days_of

_HOPS_AT_MOST = 20


def blackout_of_items(items: Iterable[Mapping[str, str]]) -> tuple[Blackout, ...]:
    """The windows of a policy's items; BlackoutFormatError says what is wrong with one."""
    return tuple(
        blackout_of(
            {
                "windows": [{"days": days_of(item["days"]), "from": item["from"], "to": item["to"]}],
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
