"""Cells of exported tables that no spreadsheet takes for a formula (CWE-1236)."""

from __future__ import annotations

import re

# What spreadsheets take for the beginning of a formula, also in full width, or use to get there.
_BEGINS = frozenset("=+-@\t\r\n\0\N{FULLWIDTH EQUALS SIGN}\N{FULLWIDTH PLUS SIGN}\N{FULLWIDTH HYPHEN-MINUS}"
                    "\N{FULLWIDTH COMMERCIAL AT}")  # fmt: skip
# What they look past.
_SKIPPED = " \"'\N{NO-BREAK SPACE}\N{IDEOGRAPHIC SPACE}\N{ZERO WIDTH SPACE}\N{ZERO WIDTH NO-BREAK SPACE}"
_NUMBER = re.compile(r"-?[0-9]{1,30}(\.[0-9]{1,30})?", re.ASCII)


def safe_cell(value: object) -> str:
    """The value as text, marked with an apostrophe where it would be a formula; a number stays a number."""
    text = "" if value is None else str(value)
    begins = text.lstrip(_SKIPPED)[:1] in _BEGINS if text.strip(_SKIPPED) else False
    return f"'{text}" if begins and not _NUMBER.fullmatch(text) else text
