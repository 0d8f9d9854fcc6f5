"""PostgreSQL, with control plane and destination, is stopped at once within a run: `make faults-crash` in small."""

from __future__ import annotations

from typing import Any

import pytest

from tests.faults.crash import is_exact, run
from tests.faults.proof import open_folder

CRASHES = 3


@pytest.mark.fault("F17")
def test_a_run_through_crashes_of_its_database_is_exact() -> None:
    with open_folder() as folder:
        result = run(folder, CRASHES, 60_000)
    assert is_exact(result, CRASHES), result


EXACT: dict[str, Any] = {
    "crashes": 3, "lost": 0, "doubled": 0, "stale": 0, "stuck": 0,
    "state": "succeeded", "counts_add_up": True, "owners": [],
}  # fmt: skip


@pytest.mark.parametrize(
    "wrong",
    [{"lost": 1}, {"doubled": 1}, {"stale": 1}, {"stuck": 1}, {"state": "failed"}, {"counts_add_up": False},
     {"owners": ["x"]}, {"crashes": 2}],
)  # fmt: skip
def test_whatever_differs_is_not_exact(wrong: dict[str, Any]) -> None:
    assert is_exact(EXACT, 3)
    assert not is_exact({**EXACT, **wrong}, 3)
