"""Blackout windows as a person writes them."""

from __future__ import annotations

import pytest

from integrations.domain.blackout import BlackoutFormatError, blackout_of
from integrations.domain.blackout_words import text_of, windows_of


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("Mon-Fri 22:00-06:00", "Mon-Fri 22:00-06:00"),
        ("every day 2:00 to 3:30", "every day 02:00-03:30"),
        ("daily 02:00\u201303:30", "every day 02:00-03:30"),
        ("saturday, Sunday 00:00-00:00", "Sat Sun 00:00-00:00"),
        ("Fri-Mon 20:00-21:00", "Mon Fri Sat Sun 20:00-21:00"),
        ("2026-12-24 to 2027-01-02", "2026-12-24 00:00 to 2027-01-02 00:00"),
        ("2026-12-24T8:30 to 2026-12-24 18:00", "2026-12-24 08:30 to 2026-12-24 18:00"),
    ],
)
def test_a_line_is_read_and_written_back(line: str, shown: str) -> None:
    windows = blackout_of({"windows": windows_of(f"\n{line}\n")}).windows
    assert text_of(windows) == shown
    assert blackout_of({"windows": windows_of(shown)}).windows == windows


@pytest.mark.parametrize("line", ["nights", "Xyz 10:00-11:00", "Mon 10:00", "2026-12-24"])
def test_what_is_no_window_is_refused_with_an_example(line: str) -> None:
    with pytest.raises(BlackoutFormatError):
        windows_of(line)
