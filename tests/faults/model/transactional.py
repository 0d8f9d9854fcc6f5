"""The protocol for a destination with transactions: prepare here, write there with guard and checkpoint, commit here.

As in `integrations/pipeline/runner.py`, `services/run_progress.py` and `connectors/postgres/writer.py`, step by step:

| at        | step                                                                     | then      |
|-----------|--------------------------------------------------------------------------|-----------|
| idle      | claim: a due run, a higher fence, a lease                                | claimed   |
| claimed   | open: raise the destination's fence, read its checkpoint                 | opened    |
| opened    | confirm the prepared batch that the destination has                      | confirmed |
| confirmed | forget the prepared batch that it has not                                | ready     |
| ready     | fetch from the checkpoint's cursor                                       | fetched   |
| fetched   | prepare: counts and dead letters, guarded                                | prepared  |
| prepared  | write: records, guard and checkpoint in one transaction there            | written   |
| written   | commit: counters and cursor, guarded                                     | committed |
| committed | fetch on, hand back, or end where a cancel was asked for                 |           |
| at the end| finish there, then succeed here, guarded                                 | idle      |
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import NamedTuple

from tests.faults.model import control
from tests.faults.model.control import BAD, GOOD, IDLE, RECORDS, SUCCEEDED, Content, Row, Worker, World, in_hand
from tests.faults.model.explorer import Protocol, Step
from tests.faults.model.rules import SOUND, Rules


class Table(NamedTuple):
    """The destination: its checkpoint, and how often it holds each record."""

    fence: int = 0
    run: int = 0
    number: int = 0
    cursor: int = 0
    stored: tuple[int, ...] = (0,) * RECORDS

    def with_records(self, batch: Content) -> Table:
        stored = tuple(count + (record in batch.good) for record, count in enumerate(self.stored))
        return self._replace(stored=stored)

    def with_checkpoint(self, worker: Worker, number: int, cursor: int) -> Table:
        return self._replace(run=worker.run, number=number, cursor=cursor, fence=max(self.fence, worker.fence))

    def has(self, batch: Content) -> bool:
        return self.run == batch.run and self.number >= batch.number


Steps = Iterator[Step[World[Table], Worker]]


def open_writer(world: World[Table], worker: Worker, rules: Rules) -> Steps:
    """Register the fence, so that no older worker writes from now on, and read where to go on."""
    table, row = world.far, world.row
    if rules.destination_is_guarded and table.fence > worker.fence:
        yield Step("open: stopped", world, IDLE)
        return
    if rules.destination_is_claimed_on_opening:
        table = table._replace(fence=worker.fence)
    is_mine = table.run == worker.run
    number, cursor = (table.number if is_mine else 0), table.cursor
    if not (rules.destination_decides_where_to_resume if is_mine else rules.destination_decides_where_a_new_run_begins):
        number, cursor = row.batches, row.cursor
    yield Step("open", world._replace(far=table), worker._replace(at="opened", number=number, cursor=cursor))


def confirm(world: World[Table], worker: Worker, rules: Rules) -> Steps:
    """Count the batch that the destination has and that nobody counted: of this run, or of one that has ended."""
    row, prepared, after = world.row, world.row.prepared, worker._replace(at="confirmed")
    if not rules.ended_runs_batch_is_settled and prepared and prepared.run != worker.run:
        prepared = None
    if not rules.batch_there_is_confirmed_before_the_end and worker.cursor == RECORDS:
        prepared = None
    if prepared is None or not world.far.has(prepared):
        yield Step("nothing to confirm", world, after)
        return
    left = None if rules.batch_there_is_confirmed_once else prepared
    yield control.change(
        "confirm", world, worker, after, is_guarded=rules.commit_is_guarded,
        prepared=left, **control.counted(row, prepared),
    )  # fmt: skip


def forget(world: World[Table], worker: Worker, rules: Rules) -> Steps:
    """Forget the prepared batch that the destination does not have; the records are read again."""
    row, prepared, after = world.row, world.row.prepared, worker._replace(at="ready")
    is_settled = prepared is not None and (prepared.run == worker.run or rules.ended_runs_batch_is_settled)
    if prepared is None or not is_settled or not rules.prepared_batch_is_replaced:
        yield control.change("nothing to forget", world, worker, after)
        return
    letters = control.without_letters(row, prepared) if rules.letters_of_a_forgotten_batch_go_too else row.letters
    yield control.change("forget", world, worker, after, prepared=None, letters=letters)


def prepare(world: World[Table], worker: Worker, rules: Rules) -> Steps:
    """Store the batch's counts and dead letters before it is sent."""
    row, batch = world.row, in_hand(worker)
    if row.prepared and not rules.prepared_batch_is_replaced:
        batch, letters = row.prepared, row.letters
    else:
        forgotten = control.without_letters(row, batch) if rules.letters_of_a_forgotten_batch_go_too else row.letters
        letters = forgotten
        if rules.letters_are_stored_with_their_batch:
            letters = control.with_letters(row._replace(letters=forgotten), batch)
    after = worker._replace(at="prepared")
    guard = rules.prepare_is_guarded
    yield control.change("prepare", world, worker, after, is_guarded=guard, prepared=batch, letters=letters)


def write(world: World[Table], worker: Worker, rules: Rules) -> Steps:
    """Store records and checkpoint in one transaction of the destination, unless a higher fence is there."""
    table, batch, row = world.far, in_hand(worker), world.row
    if rules.destination_is_guarded and table.fence > worker.fence:
        yield Step("write: stopped", world, IDLE)
        return
    records_first = table.with_records(batch)
    checkpoint_first = table.with_checkpoint(worker, batch.number, batch.end)
    if not rules.checkpoint_is_in_the_same_transaction:
        yield Step("write without checkpoint", world._replace(far=records_first), worker._replace(at="half"))
    elif not rules.checkpoint_follows_the_write:
        yield Step("checkpoint without records", world._replace(far=checkpoint_first), worker._replace(at="half"))
    else:
        whole = world._replace(far=checkpoint_first.with_records(batch))
        yield Step("write", whole, worker._replace(at="written"))
        if row.crashes:
            fewer = row._replace(crashes=row.crashes - 1)
            failing = worker._replace(at="failing", content=None)
            yield Step("write, its answer lost", whole._replace(row=fewer), failing, True)
            yield Step("write lost", world._replace(row=fewer), failing, True)


def write_other_half(world: World[Table], worker: Worker, rules: Rules) -> Steps:
    """Only in wrong variants: the second of two transactions."""
    batch, table = in_hand(worker), world.far
    if rules.checkpoint_is_in_the_same_transaction:
        table = table.with_records(batch)
    else:
        table = table.with_checkpoint(worker, batch.number, batch.end)
    yield Step("the other half", world._replace(far=table), worker._replace(at="written"))


def commit(world: World[Table], worker: Worker, rules: Rules) -> Steps:
    """Count the prepared batch and move the cursor."""
    row, batch = world.row, in_hand(worker)
    counted = row.prepared or batch
    letters = row.letters if rules.letters_are_stored_with_their_batch else control.with_letters(row, batch)
    after = worker._replace(at="committed", number=batch.number, cursor=batch.end, content=None)
    yield control.change(
        "commit", world, worker, after, is_guarded=rules.commit_is_guarded,
        prepared=None, letters=letters, **control.counted(row, counted),
    )  # fmt: skip


def finish_there(world: World[Table], worker: Worker, rules: Rules) -> Steps:
    """Store the last checkpoint there."""
    if rules.destination_is_guarded and world.far.fence > worker.fence:
        yield Step("finish: stopped", world, IDLE)
    else:
        table = world.far.with_checkpoint(worker, worker.number, worker.cursor)
        yield Step("finish there", world._replace(far=table), worker._replace(at="finished"))


TABLE: control.Table[Table] = {
    "idle": (control.claim,),
    "claimed": (open_writer,),
    "opened": (confirm,),
    "confirmed": (forget,),
    "ready": (control.fetch,),
    "fetched": (prepare, control.stop_for_cancel),
    "prepared": (write,),
    "half": (write_other_half,),
    "written": (commit,),
    "committed": (control.fetch, control.hand_back, control.stop_for_cancel),
    "at the end": (finish_there,),
    "finished": (control.succeed,),
    "failing": (control.retry,),
}


def breaches(world: World[Table]) -> Iterator[str]:
    """Name the properties that do not hold in this state."""
    row, stored = world.row, world.far.stored
    letters = [record for _, _, record in row.letters]
    if max(stored) > 1 or letters.count(BAD) > 1:
        yield "doubled"
    if row.state == SUCCEEDED:
        if any(stored[record] == 0 for record in GOOD) or BAD not in letters:
            yield "lost"
        if control.counts_are_wrong(row):
            yield "counts"


def protocol(rules: Rules = SOUND, *, crashes: int, pauses: int, cancels: int) -> Protocol[World[Table], Worker]:
    """The protocol with so many faults of each kind."""
    return Protocol(
        World(Row(crashes=crashes, pauses=pauses, cancels=cancels), Table()),
        IDLE,
        partial(control.steps, TABLE, rules),
        control.people,
        breaches,
        control.has_ended,
    )
