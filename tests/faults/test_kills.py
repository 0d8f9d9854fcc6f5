"""Workers are killed, stopped and cut off at named points, and no record is lost or doubled: `make faults` in small."""

from __future__ import annotations

import pytest

from tests.faults.proof import Wanted, failures, open_folder, prove

KILLS = 16


@pytest.mark.fault("F1", "F2", "F3", "F4", "F5", "F6", "F7", "F9", "F10", "F17", "F23")
@pytest.mark.parametrize("broker", ["redis", "embedded"])
def test_killed_workers_lose_nothing_and_double_nothing(broker: str) -> None:
    wanted = Wanted(KILLS, brokers=(broker,))
    with open_folder() as folder:
        result = prove(folder, wanted)
    assert failures(result, wanted) == []
    assert sum(map(bool, result["points"].values())) >= 8
    assert result["records"] > 0
