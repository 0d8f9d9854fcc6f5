"""Dead letters that a redrive sets aside again: each knows what it came from, and what became of it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pyarrow as pa
import pytest
from django.db.models.functions import Now

from accounts.errors import Conflict
from accounts.models import Workspace
from integrations.connectors.base import ReadRequest
from integrations.domain.lifecycle import DeadLetterState, Outcome, RunState
from integrations.errors import REQUEST_REFUSED, NeedsPerson
from integrations.models import DeadLetter, Run
from integrations.services import dead_letters
from integrations.services.dead_letter_lineage import lineage_of, with_successor
from integrations.services.execution import execute_slice
from integrations.services.redriven import RedrivenRecords, rows_to_batch
from tests.runs.conftest import MAPPING, Bench
from tests.runs.listed import SCHEMA, World

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.fault("F26")]
BAD = [{"id": number, "amount": f"about {number}"} for number in range(3)]


def redrive(bench: Bench) -> Run:
    return dead_letters.redrive(deployment=bench.deployment, letter_ids=None, user=None)


def shown(workspace: Workspace) -> list[DeadLetter]:
    return list(DeadLetter.objects.of(workspace).filter(state=DeadLetterState.OPEN).order_by("id"))


def amount_of(letter: DeadLetter) -> object:
    return dead_letters.payload_of(letter)["amount"]


@pytest.fixture
def letters(bench: Bench, outside: World) -> list[DeadLetter]:
    """Three records whose amount is no number, one of them corrected."""
    outside.rows = BAD
    bench.work(bench.start())
    found = list(DeadLetter.objects.order_by("id"))
    dead_letters.edit(letter=found[0], record={"id": 0, "amount": "1"}, user=None)
    return found


def test_each_letter_says_what_became_of_it_and_each_new_one_where_it_came_from(
    bench: Bench, letters: list[DeadLetter], workspace: Workspace
) -> None:
    run = bench.work(redrive(bench))
    assert (run.read, run.written, run.set_aside) == (3, 1, 2)
    old = DeadLetter.objects.filter(pk__in=[letter.pk for letter in letters]).order_by("id")
    assert list(old.values_list("outcome", flat=True)) == [Outcome.WRITTEN, Outcome.SET_ASIDE, Outcome.SET_ASIDE]
    again = shown(workspace)
    assert [letter.origin_id for letter in again] == [letter.pk for letter in letters[1:]]
    became = [vars(letter)["became"] for letter in with_successor(old)]
    assert became == [None, *(letter.pk for letter in again)]
    assert [amount_of(letter) for letter in again] == ["about 1", "about 2"]


def test_what_the_filter_leaves_out_of_a_redrive_is_filtered(make_bench: Callable[..., Bench], outside: World) -> None:
    bench = make_bench(mapping={**MAPPING, "filter": "id <> 1"})
    outside.rows = [BAD[0]]
    bench.work(bench.start())
    letter = dead_letters.edit(letter=DeadLetter.objects.get(), record={"id": 1, "amount": "1"}, user=None)
    run = bench.work(redrive(bench))
    letter.refresh_from_db()
    assert (run.read, run.filtered, letter.state, letter.outcome) == (1, 1, "redriven", Outcome.FILTERED)


def test_what_the_destination_refuses_again_comes_from_the_letter_that_was_sent(
    bench: Bench, outside: World, workspace: Workspace
) -> None:
    outside.rows, outside.refuse = [{"id": number, "amount": "1"} for number in range(20)], frozenset({4, 17})
    bench.work(bench.start())
    first = {dead_letters.payload_of(letter)["id"]: letter.pk for letter in DeadLetter.objects.all()}
    outside.refuse = frozenset({17})
    bench.work(redrive(bench))
    (again,) = shown(workspace)
    assert (dead_letters.payload_of(again)["id"], again.origin_id) == (17, first[17])


def test_a_corrected_record_that_does_not_fit_its_columns_comes_from_its_letter(
    bench: Bench, letters: list[DeadLetter], workspace: Workspace
) -> None:
    dead_letters.edit(letter=letters[1], record={"id": "many", "amount": "1"}, user=None)
    bench.work(redrive(bench))
    unfit = next(letter for letter in shown(workspace) if not letter.is_record)
    assert (unfit.origin_id, "many" in unfit.reason) == (letters[1].pk, True)
    assert dead_letters.payload_of(unfit) == {"raw": '{"id":"many","amount":"1"}'}


def test_a_record_that_is_set_aside_three_times_is_followed_from_first_to_last(
    bench: Bench, letters: list[DeadLetter]
) -> None:
    bench.work(redrive(bench))
    bench.work(redrive(bench))
    whole = lineage_of(DeadLetter.objects.get(pk=letters[2].pk))
    assert [amount_of(DeadLetter.objects.get(pk=letter.pk)) for letter in whole.letters] == ["about 2"] * 3
    assert [letter.state for letter in whole.letters] == ["redriven", "redriven", "open"]
    middle = lineage_of(whole.letters[1])
    assert (middle.before, middle.after) == (whole.letters[0], whole.letters[2])


def test_a_letter_whose_origin_is_deleted_says_that_the_past_is_cut(bench: Bench, letters: list[DeadLetter]) -> None:
    bench.work(redrive(bench))
    again = DeadLetter.objects.get(origin=letters[1])
    DeadLetter.objects.filter(pk=letters[1].pk).delete()
    assert (lineage_of(again).is_cut, lineage_of(again).before) == (True, None)


@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_worker_that_dies_around_the_write_leaves_no_record_twice(
    bench: Bench, letters: list[DeadLetter], outside: World, workspace: Workspace, moment: str
) -> None:
    run = redrive(bench)
    outside.fail_write = [(moment, KeyboardInterrupt())]
    with pytest.raises(KeyboardInterrupt):
        execute_slice(run_id=run.pk, worker="dies")
    Run.objects.filter(pk=run.pk).update(lease_until=Now() - timedelta(seconds=1))
    bench.work(run)
    assert [letter.origin_id for letter in shown(workspace)] == [letter.pk for letter in letters[1:]]
    assert DeadLetter.objects.count() == 5
    assert [row["id"] for row in outside.stored] == [0]


@pytest.mark.parametrize("moment", ["before", "after"])
def test_while_a_redrives_batch_is_not_settled_the_old_letters_stand_and_then_the_new(
    bench: Bench, letters: list[DeadLetter], outside: World, workspace: Workspace, moment: str
) -> None:
    outside.fail_write = [(moment, NeedsPerson(REQUEST_REFUSED, "No."))]
    failed = bench.work(redrive(bench))
    assert (failed.state, DeadLetter.objects.filter(state=DeadLetterState.OPEN).count()) == (RunState.FAILED, 5)
    assert [letter.pk for letter in shown(workspace)] == [letter.pk for letter in letters]
    run = bench.work(redrive(bench))
    failed.refresh_from_db()
    assert (run.state, run.read + failed.read, failed.read) == (RunState.SUCCEEDED, 3, 3 if moment == "after" else 0)
    assert [letter.origin_id for letter in shown(workspace)] == [letter.pk for letter in letters[1:]]
    assert [row["id"] for row in outside.stored] == [0]


def test_a_letter_that_may_have_arrived_cannot_be_corrected_until_that_is_known(
    bench: Bench, letters: list[DeadLetter], outside: World
) -> None:
    outside.fail_write = [("after", NeedsPerson(REQUEST_REFUSED, "No."))]
    bench.work(redrive(bench))
    letters[1].refresh_from_db()
    with pytest.raises(Conflict, match="may have brought"):
        dead_letters.edit(letter=letters[1], record={"id": 1, "amount": "1"}, user=None)
    assert not DeadLetter.objects.get(pk=letters[1].pk).edited


def test_a_letter_that_was_discarded_meanwhile_stays_so_and_says_that_it_was_written(
    bench: Bench, letters: list[DeadLetter], outside: World
) -> None:
    outside.fail_write = [("after", NeedsPerson(REQUEST_REFUSED, "No."))]
    first = bench.work(redrive(bench))
    dead_letters.discard(letters=[letters[0]], reason="enough")
    bench.work(redrive(bench))
    letters[0].refresh_from_db()
    assert (letters[0].state, letters[0].outcome, letters[0].redrive_id) == ("discarded", Outcome.WRITTEN, first.pk)


def test_a_redrive_reads_no_more_letters_at_once_than_it_is_asked_to(bench: Bench, letters: list[DeadLetter]) -> None:
    run = redrive(bench)
    batches = list(RedrivenRecords(run).read(ReadRequest("rows", schema=SCHEMA, batch_records=2)))
    assert [batch.records.num_rows for batch in batches] == [2, 1]
    assert [origin for batch in batches for origin in batch.origins] == [str(letter.pk) for letter in letters]


def test_bytes_of_a_letter_are_read_as_the_bytes_that_they_were() -> None:
    schema = pa.schema([pa.field("data", pa.binary())])
    batch, bad = rows_to_batch([{"data": "aGk="}, {"data": "no base64"}], schema)
    assert (batch.to_pylist(), len(bad)) == ([{"data": b"hi"}], 1)
