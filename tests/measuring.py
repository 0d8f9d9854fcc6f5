"""Which tests are measured by coverage: measuring takes as much time again as the tests do.

Left out is what would only run the same lines once more: processes and servers at work, generated matrices, and the
further rows of a table.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
UNMEASURED = frozenset({"audit", "docs", "e2e", "egress", "faults", "security", "test_permission_matrix.py"})
MEASURED_ROWS = 4


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what is not measured; it is run and judged like everything else."""
    rows: Counter[str] = Counter()
    for item in items:
        rows[function := item.nodeid.partition("[")[0]] += 1
        if item.path.relative_to(TESTS).parts[0] in UNMEASURED or rows[function] > MEASURED_ROWS:
            item.add_marker(pytest.mark.no_cover)
