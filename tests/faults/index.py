"""Ties the rows of the fault matrix to the tests that prove them, in `docs/faults.md`.

    python -m tests.faults.index

writes the tests that carry a row's mark into the row.
"""

from __future__ import annotations

from tests.index import PROJECT, Index

FAULTS = Index(PROJECT / "docs" / "faults.md", tuple(f"F{number}" for number in range(1, 49)), "fault")

if __name__ == "__main__":
    FAULTS.main()
