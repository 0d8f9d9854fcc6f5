"""A letter that a person is just changing is waited for by no run: what the run sets aside is open then, too."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import psycopg
import pytest
from django.core.management import call_command
from pytest_django import DjangoDbBlocker

from integrations.domain.lifecycle import RunState
from integrations.models import DeadLetter
from tests.runs.conftest import Bench
from tests.runs.databases import control_database, migrated_postgres
from tests.runs.listed import World

__all__ = ["migrated_postgres"]
LOCK = b"SELECT id FROM integrations_deadletter ORDER BY id LIMIT 1 FOR UPDATE"


@pytest.fixture
def control(migrated_postgres: str, django_db_blocker: DjangoDbBlocker) -> Iterator[str]:
    with django_db_blocker.unblock(), control_database(migrated_postgres):
        yield migrated_postgres
        call_command("flush", interactive=False, verbosity=0)


@pytest.fixture
def db(control: str) -> None:
    """Rows are locked in PostgreSQL only."""


def test_a_locked_letter_takes_no_sighting_and_holds_nobody_up(
    control: str, make_bench: Callable[..., Bench], outside: World
) -> None:
    bench = make_bench(rules={"tolerance.set_aside_percent": 100})
    outside.rows = [{"id": 1, "amount": "bad"}, {"id": 2, "amount": "bad"}]
    bench.work(bench.start())
    with psycopg.connect(control) as person:
        person.execute(LOCK)
        run = bench.work(bench.start())
    assert (run.state, run.set_aside, run.attempt) == (RunState.SUCCEEDED, 2, 0)
    states = DeadLetter.objects.order_by("id").values_list("state", "seen_count")
    assert list(states) == [("open", 1), ("open", 2), ("open", 1), ("repeated", 1)]
