"""Dead letters corrected in bulk and redriven on either database; what is set aside again keeps its origin."""

from __future__ import annotations

import pytest

from accounts.models import User
from integrations.domain.lifecycle import DeadLetterState, Outcome, RunState
from integrations.errors import REQUEST_REFUSED, NeedsPerson
from integrations.models import DeadLetter
from integrations.services import dead_letter_bulk, dead_letters
from integrations.services.dead_letter_changes import Setting
from integrations.services.dead_letter_lineage import with_successor
from tests.runs.conftest import Bench
from tests.runs.databases import either_database, migrated_postgres
from tests.runs.listed import World

__all__ = ["either_database", "migrated_postgres"]


@pytest.fixture
def db(either_database: str) -> None:
    """Each test here on SQLite and on PostgreSQL."""


@pytest.mark.fault("F26")
def test_a_bulk_correction_and_its_redrive(bench: Bench, outside: World) -> None:
    outside.rows = [{"id": number, "amount": amount} for number, amount in enumerate(["7 EUR", "8 EUR", "none"])]
    bench.work(bench.start())
    person = User.objects.create(email="someone@example.test")
    applied = dead_letter_bulk.apply(
        integration=bench.deployment.integration,
        letters=DeadLetter.objects.all(),
        settings=[Setting("amount", "split_part(amount, ' ', 1)")],
        user=person,
    )
    assert (len(applied.letters), applied.unchanged, applied.conflicts) == (2, 1, 0)
    assert DeadLetter.objects.filter(edited_by=person, edited_at__isnull=False).count() == 2
    outside.fail_write = [("after", NeedsPerson(REQUEST_REFUSED, "No."))]
    bench.work(dead_letters.redrive(deployment=bench.deployment, letter_ids=None, user=None))
    standing = DeadLetter.objects.of(bench.deployment.workspace).filter(state=DeadLetterState.OPEN)
    assert (standing.count(), DeadLetter.objects.count()) == (3, 4)
    run = bench.work(dead_letters.redrive(deployment=bench.deployment, letter_ids=None, user=None))
    assert (run.state, [str(row["amount"]) for row in outside.stored]) == (RunState.SUCCEEDED, ["7.00", "8.00"])
    old = with_successor(DeadLetter.objects.filter(origin=None)).order_by("id")
    assert [letter.outcome for letter in old] == [Outcome.WRITTEN, Outcome.WRITTEN, Outcome.SET_ASIDE]
    assert [vars(letter)["became"] for letter in old] == [None, None, standing.get().pk]


@pytest.mark.fault("F26")
def test_a_record_that_two_runs_set_aside_is_one_open_letter(bench: Bench, outside: World) -> None:
    outside.rows = [{"id": number, "amount": "bad"} for number in range(600)]
    done = [bench.work(bench.start()) for _ in range(2)]
    assert [run.set_aside for run in done] == [600, 600]
    standing = DeadLetter.objects.filter(state=DeadLetterState.OPEN)
    assert set(standing.values_list("run", "seen_count", "last_run")) == {(done[0].pk, 2, done[1].pk)}
    assert (standing.count(), DeadLetter.objects.filter(state=DeadLetterState.REPEATED).count()) == (600, 600)
