"""Workers are killed, stopped and cut off at named points, and no record is lost or doubled: `make faults` in small."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults.proof import Wanted, failures, prove

KILLS = 16


@pytest.mark.fault("F1", "F2", "F3", "F4", "F5", "F6", "F7", "F9", "F10", "F17", "F23")
@pytest.mark.parametrize("broker", ["redis", "embedded"])
def test_killed_workers_lose_nothing_and_double_nothing(tmp_path_factory: pytest.TempPathFactory, broker: str) -> None:
    folder = tmp_path_factory.mktemp("faults", numbered=True)
    _let_others_in(folder)
    wanted = Wanted(KILLS, brokers=(broker,))
    result = prove(folder, wanted)
    assert failures(result, wanted) == []
    assert sum(map(bool, result["points"].values())) >= 8
    assert result["records"] > 0


def _let_others_in(folder: Path) -> None:
    """PostgreSQL runs as a user of its own, who must reach its data."""
    for path in (folder, *list(folder.parents)[:2]):
        path.chmod(0o755)
