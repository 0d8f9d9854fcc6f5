"""Renders the catalogue of error codes as `docs/errors.md`."""

from __future__ import annotations

from types import ModuleType

from accounts.errors import CATALOGUE, ErrorCode
from accounts.views import errors as of_pages
from config import header_limits, urls
from integrations import errors as of_integrations

# A module that nobody has imported has declared nothing: pages and API, what comes before them, what runs can meet.
DECLARING: tuple[ModuleType, ...] = (urls, header_limits, of_pages, of_integrations)
HEADER = """# Errors

Every error that a person can meet has a code, a message of its own, and what to do. The code stands on the page, in the
log, and in the API's answers (`code` in the problem document). This list is generated:
`manage.py errors > docs/errors.md`.

| code | what happened | what to do |
|---|---|---|
"""


def render_errors() -> str:
    """The whole document, codes in alphabetical order."""
    return HEADER + "".join(_row(CATALOGUE[code]) for code in sorted(CATALOGUE))


def _row(error: ErrorCode) -> str:
    cells = (f"`{error.code}`", error.meaning, error.what_to_do)
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |\n"
