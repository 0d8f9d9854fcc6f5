"""Ties what others got wrong to the tests that show that we did not, in `docs/security.md`.

    python -m tests.security.index

writes the tests that carry a row's mark into the row.
"""

from __future__ import annotations

from tests.index import PROJECT, Index

# In the order of the document: runs of numbers, and the few that stand beside one.
_RUNS = ((1, 3), (4, 11), (20, 38), (50, 62), (80, 98), (110, 128), (140, 145))
_NUMBERED = tuple(f"SEC-{number:03}" for first, last in _RUNS for number in range(first, last + 1))
ROWS = (*_NUMBERED, "SEC-003b", "SEC-050b", "REL-040")
SECURITY = Index(PROJECT / "docs" / "security.md", ROWS, "security")

if __name__ == "__main__":
    SECURITY.main()
