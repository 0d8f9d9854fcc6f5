"""A record that run after run sets aside is one open letter; each run still counts and lists what it set aside."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pyarrow as pa
import pytest
from django.db.models.functions import Now

from integrations.connectors import registry
from integrations.domain.lifecycle import DeadLetterState, RunState
from integrations.models import DeadLetter, Run, RunBatch
from integrations.services import dead_letters, retention, runs
from integrations.services.backfills import Checkpoint, start_replay
from integrations.services.continuation import continue_run
from integrations.services.execution import execute_slice
from integrations.services.redriven import schema_of
from integrations.services.repeated import fingerprint
from tests.runs.conftest import Bench
from tests.runs.listed import World
from tests.runs.partitioned import Split, work_all

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.fault("F26")]
GOOD, BAD = {"id": 1, "amount": "1.50"}, {"id": 2, "amount": "about two"}


@pytest.fixture
def full(make_bench: Callable[..., Bench], outside: World) -> Bench:
    """It reads a good record and a bad one, at each run."""
    outside.rows = [GOOD, BAD]
    return make_bench(rules={"tolerance.set_aside_percent": 100})


def work(bench: Bench) -> Run:
    run = bench.work(bench.start())
    assert run.state == RunState.SUCCEEDED
    assert DeadLetter.objects.filter(run=run).count() == run.set_aside
    return run


def redrive(bench: Bench) -> Run:
    return bench.work(dead_letters.redrive(deployment=bench.deployment, letter_ids=None, user=None))


def opened() -> list[DeadLetter]:
    return list(DeadLetter.objects.filter(state=DeadLetterState.OPEN).order_by("id"))


def test_a_record_that_three_runs_set_aside_is_one_open_letter_and_counts_in_each(full: Bench) -> None:
    done = [work(full) for _ in range(3)]
    assert [(run.read, run.written, run.set_aside) for run in done] == [(2, 1, 1)] * 3
    (letter,) = opened()
    assert (letter.run_id, letter.seen_count, letter.last_run_id) == (done[0].pk, 3, done[2].pk)
    assert set(DeadLetter.objects.exclude(pk=letter.pk).values_list("state", flat=True)) == {"repeated"}


def test_a_redrive_sends_it_once_and_as_it_was_corrected(full: Bench, outside: World) -> None:
    work(full)
    dead_letters.edit(letter=opened()[0], record={**BAD, "amount": "2"}, user=None)
    work(full)
    outside.stored.clear()
    run = redrive(full)
    assert (run.read, run.written, [row["id"] for row in outside.stored]) == (1, 1, [2])
    assert not opened()


@pytest.mark.parametrize("end", ["redriven", "discarded", "set aside again"])
def test_what_is_set_aside_after_its_letter_was_settled_is_open_again(full: Bench, end: str) -> None:
    work(full)
    if end == "discarded":
        dead_letters.discard(letters=opened(), reason="not wanted")
    else:
        amount = "2" if end == "redriven" else "still no number"
        dead_letters.edit(letter=opened()[0], record={**BAD, "amount": amount}, user=None)
        redrive(full)
    before = len(opened())
    run = work(full)
    assert (before, len(opened())) == ((1, 2) if end == "set aside again" else (0, 1))
    assert opened()[-1].run_id == run.pk


def test_a_redrive_reads_by_the_columns_of_the_run_that_has_seen_it_last(full: Bench, outside: World) -> None:
    work(full)
    columns: list[pa.Field[Any]] = [pa.field("id", pa.int64()), pa.field("amount", pa.large_string())]
    outside.schema = pa.schema(columns)
    work(full)
    (letter,) = opened()
    assert (letter.seen_count, schema_of(DeadLetter.objects.filter(pk=letter.pk))) == (2, outside.schema)


def test_a_letter_that_a_redrive_sets_aside_again_takes_the_next_sighting(full: Bench) -> None:
    work(full)
    again = redrive(full)
    assert again.set_aside == 1
    run = work(full)
    (letter,) = opened()
    assert (letter.run_id, letter.seen_count, letter.last_run_id) == (again.pk, 2, run.pk)


def test_what_a_redrive_sets_aside_again_is_not_folded_into_an_equal_letter(full: Bench, outside: World) -> None:
    outside.rows = [BAD, BAD]
    work(full)
    chosen, other = opened()
    run = dead_letters.redrive(deployment=full.deployment, letter_ids=[chosen.pk], user=None)
    assert full.work(run).set_aside == 1
    assert [(letter.run_id, letter.seen_count) for letter in opened()] == [(other.run_id, 1), (run.pk, 1)]


@pytest.mark.parametrize(
    ("first", "second", "open_after"),
    [([BAD], [BAD, BAD], 2), ([BAD, BAD], [BAD, BAD], 2), ([BAD, BAD], [BAD], 2), ([BAD], [{**BAD, "id": 3}], 2)],
)
def test_equal_records_are_as_many_open_letters_as_a_run_had_of_them(
    full: Bench, outside: World, first: list[dict[str, object]], second: list[dict[str, object]], open_after: int
) -> None:
    for rows in (first, second):
        outside.rows = [GOOD, *rows]
        work(full)
    assert len(opened()) == open_after


def test_equal_records_of_one_run_are_not_folded_into_each_other(full: Bench, outside: World) -> None:
    outside.batch_records = 1
    outside.rows = [BAD, GOOD, BAD]
    work(full)
    assert [letter.seen_count for letter in opened()] == [1, 1]
    work(full)
    assert [letter.seen_count for letter in opened()] == [2, 2]


def test_partitions_fold_their_letters_as_one_run(full: Bench, outside: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(registry.CONNECTORS, "listed", Split)
    outside.rows = [BAD, GOOD] * 3
    for _ in range(2):
        run = full.start()
        Run.objects.filter(pk=run.pk).update(start_cursor=None)
        work_all()
        run.refresh_from_db()
        assert (run.state, run.partition_count > 1, run.set_aside) == (RunState.SUCCEEDED, True, 3)
    assert [(letter.seen_count, letter.last_run_id) for letter in opened()] == [(2, run.pk)] * 3


def cancelled_in(run: Run, outside: World, moment: str) -> Run:
    outside.fail_write = [(moment, KeyboardInterrupt())]
    with pytest.raises(KeyboardInterrupt):
        execute_slice(run_id=run.pk, worker="dies")
    Run.objects.filter(pk=run.pk).update(lease_until=Now() - timedelta(seconds=1))
    return runs.cancel_run(run=run)


def test_nothing_is_folded_into_a_letter_that_may_be_forgotten(full: Bench, outside: World) -> None:
    outside.rows = [GOOD]
    first = work(full)
    outside.rows = [BAD]
    replay = start_replay(deployment=full.deployment, checkpoint=Checkpoint(first, 0), goes_on=False, user=None)
    cancelled_in(replay, outside, "before")
    run = work(full)
    assert [letter.run_id for letter in opened()] == [replay.pk, run.pk]
    full.work(continue_run(run=replay, user=None))
    assert [(letter.run_id, letter.seen_count) for letter in opened()] == [(run.pk, 2)]


def test_what_a_later_run_finds_to_have_arrived_is_folded_then(
    make_bench: Callable[..., Bench], outside: World
) -> None:
    bench = make_bench(rules={"tolerance.set_aside_percent": 100}, read_mode="incremental", cursor_field="id")
    outside.rows = [BAD]
    first = work(bench)
    outside.rows = [BAD, BAD]
    left = cancelled_in(bench.start(), outside, "after")
    assert len(opened()) == 2
    work(bench)
    assert [(letter.run_id, letter.last_run_id) for letter in opened()] == [(first.pk, left.pk)]
    assert not RunBatch.objects.filter(state="prepared").exists()


def test_retention_deletes_repeated_letters_and_keeps_the_open_one(full: Bench) -> None:
    for _ in range(2):
        work(full)
    long_ago = Now() - timedelta(days=5_000)
    DeadLetter.objects.filter(state=DeadLetterState.REPEATED).update(resolved_at=long_ago)
    retention.sweep()
    assert [letter.seen_count for letter in DeadLetter.objects.all()] == [2]


def test_a_fingerprint_tells_record_reason_and_workspace_apart() -> None:
    same = fingerprint(b"{}", "code", "field", key=b"k")
    others = [(b"[]", "code", "field", b"k"), (b"{}", "cod", "efield", b"k"), (b"{}", "code", "field", b"other")]
    found = {fingerprint(payload, code, field, key=key) for payload, code, field, key in others}
    assert (same, same not in found, len(found)) == (fingerprint(b"{}", "code", "field", key=b"k"), True, 3)
