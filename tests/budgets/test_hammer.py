"""Eight processes hammer one budget: never more than it allows in any window, and it is used."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from bisect import bisect_right
from typing import Any

import pytest
from django.db import connection

from tests.budgets.conftest import Shop
from tests.runs.databases import PROJECT

PROCESSES = 8
SECONDS = 4.0
# A process that is put aside between the gate's leave and its look at the clock seems to call late.
MEASURED_TO_SECONDS = 0.3
# On quiet cores 95 % of what is allowed is used; a process that is put aside loses what it had taken ahead.
USED_AT_LEAST = 0.5


def hammered(connector: str, mode: str) -> Any:
    """What the processes remember."""
    known = connection.settings_dict
    url = f"sqlite:///{known['NAME']}"
    if connection.vendor != "sqlite":
        url = f"postgresql://{known['USER']}@{known['HOST']}:{known['PORT']}/{known['NAME']}"
    environment = {**os.environ, "DATABASE_URL": url, "DJANGO_SETTINGS_MODULE": "config.settings"}
    command = [sys.executable, "-m", "tests.budgets.hammer", connector, mode, str(PROCESSES), str(SECONDS)]
    done = subprocess.run(command, cwd=PROJECT, env=environment, stdout=subprocess.PIPE, check=True, timeout=120)
    return json.loads(done.stdout.splitlines()[-1])


def most_beyond(moments: list[float], rate: float) -> float:
    """By how many calls the worst of all windows exceeds what the rate alone gives it."""
    worst, lowest = 0.0, float("inf")
    for number, moment in enumerate(moments):
        lowest = min(lowest, number - moment * rate)
        worst = max(worst, number + 1 - moment * rate - lowest)
    return worst


@pytest.mark.parametrize(("per_minute", "burst"), [(6_000, 40), (1_200, 10)])
def test_eight_processes_get_what_a_budget_allows_and_no_call_more(shop: Shop, per_minute: int, burst: int) -> None:
    shop.connector("hammered", rules={"budget.requests_per_minute": per_minute, "budget.burst": burst})
    moments = sorted(hammered("hammered", "calls"))
    rate = per_minute / 60
    assert most_beyond(moments, rate) <= burst + MEASURED_TO_SECONDS * rate
    # While all of them hammer: after the first have begun, before the first have ended.
    begin, end = moments[0] + 0.5, moments[0] + SECONDS - 0.5
    used = sum(1 for moment in moments if begin <= moment < end)
    assert used >= USED_AT_LEAST * rate * (end - begin)


def test_eight_processes_never_hold_more_slots_than_there_are(shop: Shop) -> None:
    shop.connector("hammered", rules={"budget.concurrent": 3})
    spans = hammered("hammered", "slots")
    begins, ends = sorted(begin for begin, _ in spans), sorted(end for _, end in spans)
    at_once = [number + 1 - bisect_right(ends, begin) for number, begin in enumerate(begins)]
    assert max(at_once) == 3
    assert len(spans) > 20
