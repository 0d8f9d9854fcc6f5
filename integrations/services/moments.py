"""Moments of the database's clock as the plain seconds that decisions are made from, and back."""

from __future__ import annotations

from datetime import UTC, datetime


def seconds_of(moment: datetime | None) -> float:
    """Seconds since the epoch; 0 where there is no moment."""
    return moment.timestamp() if moment else 0.0


def moment_of(seconds: float) -> datetime:
    """The moment at so many seconds since the epoch."""
    return datetime.fromtimestamp(seconds, UTC)
