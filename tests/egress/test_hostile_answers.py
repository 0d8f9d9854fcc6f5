"""Answers that are made to exhaust whoever reads them: a declared error, in time, and 64 MB of memory at most."""

from __future__ import annotations

import pytest

from tests.egress.answers import ANSWERS, LATE
from tests.egress.judging import judge

# Those that last until the deadline are taken by `make egress`; here one of them stands for all.
QUICK = [name for name, answer in ANSWERS.items() if not answer.codes & LATE]


def test_there_are_enough_of_them() -> None:
    assert len(ANSWERS) >= 60
    assert len(QUICK) >= 50


@pytest.mark.security("SEC-085", "SEC-096", "SEC-140")
def test_a_hostile_answer_ends_with_a_declared_error_and_costs_little_memory() -> None:
    assert judge([*QUICK, "drip-of-body"]).wrong == []
