"""Weekdays as a person writes them, everywhere: `mon-fri`, `Saturday, Sun`, `weekends`, `every day`; Monday is 0."""

from __future__ import annotations

from collections.abc import Collection

from integrations.domain.blackout import BlackoutFormatError

EXAMPLES = "mon-fri, sat, weekdays, weekends or daily"
_NAMES = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_SHORT = tuple(name[:3].title() for name in _NAMES)
_GROUPS = {"daily": range(7), "every day": range(7), "weekdays": range(5), "weekends": (5, 6)}


def days_of(text: str) -> list[int]:
    """The days that a text names, in their order. Raises BlackoutFormatError."""
    words = " ".join(text.casefold().replace(",", " ").split()).replace(" -", "-").replace("- ", "-")
    if words in _GROUPS:
        return list(_GROUPS[words])
    days: set[int] = set()
    for part in words.split():
        days.update(_GROUPS[part] if part in _GROUPS else _span(part))
    return sorted(days)


def days_words(days: Collection[int]) -> str:
    """Days in words that `days_of` reads."""
    if len(days) == len(_NAMES):
        return "every day"
    if len(days) > 2 and max(days) - min(days) == len(days) - 1:
        return f"{_SHORT[min(days)]}-{_SHORT[max(days)]}"
    return " ".join(_SHORT[day] for day in sorted(days))


def _span(text: str) -> list[int]:
    """One day, or several in a row, which may go over the end of the week."""
    first, dash, last = text.partition("-")
    begin, end = _day(first), _day(last) if dash else _day(first)
    return [day % 7 for day in range(begin, end + 1 if end >= begin else end + 8)]


def _day(text: str) -> int:
    for number, name in enumerate(_NAMES):
        if len(text) >= 3 and name.startswith(text):
            return number
    raise BlackoutFormatError(f"“{text[:60]}” is no weekday. Write {EXAMPLES}.")
