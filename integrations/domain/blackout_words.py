"""Blackout windows as lines that a person writes: `Mon-Fri 22:00-06:00`, `2026-12-24 00:00 to 2027-01-02 00:00`."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from integrations.domain.blackout import BlackoutFormatError, DateWindow, WeeklyWindow
from integrations.domain.weekdays import days_of, days_words

# The longer dash, which some keyboards put in place of two hyphens.
_DASH = "\u2013"
_TIME = r"\d{1,2}:\d{2}"
# Over a line with single spaces, so that no two parts can share them: a long line is read once.
_WORDS = r"[A-Za-z,-]+(?: [A-Za-z,-]+)*"
_WEEKLY = re.compile(rf"\A(?P<days>{_WORDS}) (?P<begins>{_TIME}) ?(?:-|{_DASH}|to) ?(?P<ends>{_TIME})", re.ASCII)
_MOMENT = rf"\d{{4}}-\d\d-\d\d(?:[T ]{_TIME})?"
_DATED = re.compile(rf"(?P<begins>{_MOMENT})\s*(?:{_DASH}|to)\s*(?P<ends>{_MOMENT})", re.ASCII)


def windows_of(text: str) -> list[dict[str, Any]]:
    """The windows of a text, one a line, as plain values for `blackout_of`. Raises BlackoutFormatError."""
    return [_window_of(line.strip()) for line in text.splitlines() if line.strip()]


def text_of(windows: Iterable[WeeklyWindow | DateWindow]) -> str:
    """The lines of windows, as `windows_of` reads them."""
    return "\n".join(words_of(window) for window in windows)


def words_of(window: WeeklyWindow | DateWindow) -> str:
    """One window in words."""
    if isinstance(window, DateWindow):
        return f"{window.begins:%Y-%m-%d %H:%M} to {window.ends:%Y-%m-%d %H:%M}"
    return f"{days_words(window.days)} {window.begins:%H:%M}-{window.ends:%H:%M}"


def _window_of(line: str) -> dict[str, Any]:
    if match := _DATED.fullmatch(line):
        return {"from": _moment(match["begins"]), "to": _moment(match["ends"])}
    if match := _WEEKLY.fullmatch(" ".join(line.split())):
        return {"days": days_of(match["days"]), "from": match["begins"].zfill(5), "to": match["ends"].zfill(5)}
    raise BlackoutFormatError(
        f"“{line[:60]}” is no window. Write Mon-Fri 22:00-06:00, every day 02:00-03:00, or 2026-12-24 to 2027-01-02."
    )


def _moment(text: str) -> str:
    day, _, clock = text.replace("T", " ").partition(" ")
    return f"{day}T{(clock or '00:00').zfill(5)}"
