"""What a superuser of the database does to the log is found; `make audit-proof` does it 10,000 times."""

from __future__ import annotations

from dataclasses import replace

import pytest
from django.db import connection

from accounts.models import audit_guard
from tests.audit.tampering import TAMPERINGS, Log, make_log, sign_anew, tamper, truncate
from tests.runs.databases import either_database, migrated_postgres
from tests.world import build_world

__all__ = ["either_database", "migrated_postgres"]
TIMES = 10 * len(TAMPERINGS)


@pytest.fixture
def log(either_database: str) -> Log:
    made = make_log(build_world(), seed=4)
    audit_guard.remove(connection)
    return made


def test_every_tampering_before_the_last_anchor_is_found(log: Log) -> None:
    tally = tamper(log, TIMES)
    assert (sum(tally.made.values()), dict(tally.missed), tally.false_alarms) == (TIMES, {}, 0)


@pytest.mark.parametrize("tampering", [truncate, sign_anew])
def test_without_anchors_a_cut_end_and_a_stolen_key_are_not_found(log: Log, tampering: object) -> None:
    """The weak variant: what the anchors are for."""
    tally = tamper(replace(log, anchors=[]), 5, [tampering])  # type: ignore[list-item]  # one of the two above
    assert sum(tally.missed.values()) == 5
