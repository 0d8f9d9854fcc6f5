"""Whether an integration is stale: its last success is older than its policy allows."""

from __future__ import annotations

from datetime import datetime, timedelta


def stale_since(
    *, last_success: datetime | None, created_at: datetime, longest_minutes: int, now: datetime
) -> datetime | None:
    """Since when it is stale, or None. What never succeeded counts from its creation; 0 minutes ask for nothing."""
    if not longest_minutes:
        return None
    until = (last_success or created_at) + timedelta(minutes=longest_minutes)
    return until if until < now else None
