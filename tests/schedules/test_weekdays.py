"""Weekdays are written one way, in the blackouts of a schedule and in the maintenance windows of a policy."""

from __future__ import annotations

import pytest

from integrations.domain.blackout import BlackoutFormatError, WeeklyWindow
from integrations.domain.blackout_words import windows_of
from integrations.domain.maintenance import blackout_of_items
from integrations.domain.weekdays import days_of, days_words

TEXTS = {
    "mon-fri": [0, 1, 2, 3, 4],
    "Monday - Friday": [0, 1, 2, 3, 4],
    "weekdays": [0, 1, 2, 3, 4],
    "Sat, sun": [5, 6],
    "weekends": [5, 6],
    "fri-mon": [0, 4, 5, 6],
    "mon-mon": [0],
    "every day": [0, 1, 2, 3, 4, 5, 6],
    "daily": [0, 1, 2, 3, 4, 5, 6],
    "weekends, Wednes": [2, 5, 6],
}


@pytest.mark.parametrize(("text", "days"), TEXTS.items())
def test_a_text_names_days_and_is_written_back(text: str, days: list[int]) -> None:
    assert days_of(text) == days
    assert days_of(days_words(days)) == days


@pytest.mark.parametrize(("text", "days"), TEXTS.items())
def test_blackouts_and_maintenance_windows_read_the_same_days(text: str, days: list[int]) -> None:
    (blackout,) = windows_of(f"{text} 22:00-06:00")
    (window,) = blackout_of_items([{"days": text, "from": "22:00", "to": "06:00", "zone": "UTC"}])
    (weekly,) = window.windows
    assert isinstance(weekly, WeeklyWindow)
    assert (blackout["days"], sorted(weekly.days)) == (days, days)


@pytest.mark.parametrize("text", ["noday", "mo", "mon-", "-fri", "monkey", "mon-fri-sun", "every"])
def test_what_is_no_weekday_is_refused(text: str) -> None:
    with pytest.raises(BlackoutFormatError, match="is no weekday"):
        days_of(text)
