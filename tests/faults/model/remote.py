"""The protocol for a remote destination: store an intent here, send it there with its key, commit its results here.

| at        | step                                                                              | then      |
|-----------|-----------------------------------------------------------------------------------|-----------|
| idle      | claim: a due run, a higher fence, a lease                                         | claimed   |
| claimed   | look, guarded: an intent that is left is sent again, byte for byte                | prepared  |
|           | (`append_only`: only after its records are marked uncertain)                      |           |
|           | without one, go on from our cursor                                                | ready     |
| ready     | fetch: the source may have changed since another worker looked                    | fetched   |
| fetched   | prepare: store the intent with its whole content, guarded                         | prepared  |
| prepared  | send with the key of run and batch; nobody can guard this                         | sent      |
| sent      | commit: counters, results of each record, cursor; the intent goes; guarded        | committed |
| committed | fetch on, hand back, or end where a cancel was asked for                          |           |
| at the end| succeed, guarded                                                                  | idle      |

An intent outlives its run: where a run was cancelled, the next one of the deployment settles what it left.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from functools import partial
from typing import NamedTuple

from tests.faults.model import control
from tests.faults.model.control import BAD, GOOD, IDLE, RECORDS, SUCCEEDED, Content, Row, Worker, World, in_hand
from tests.faults.model.explorer import Protocol, Step
from tests.faults.model.rules import SOUND, Rules


class Kind(StrEnum):
    """What the destination offers against doubles."""

    IDEMPOTENCY_KEY = "idempotency_key"
    UPSERT_VERSIONED = "upsert_versioned"
    APPEND_ONLY = "append_only"


Key = tuple[int, ...]
NEVER = (-1, -1)


class Service(NamedTuple):
    """The destination, and the source beside it. `stored` counts each record; `values` hold its (stamp, version)."""

    kind: Kind
    keys: tuple[Key, ...] = ()
    stored: tuple[int, ...] = (0,) * RECORDS
    values: tuple[tuple[int, int], ...] = (NEVER,) * RECORDS
    source_version: int = 0
    source_changes: int = 0

    def receive(self, batch: Content, key: Key, is_stamp_guarded: bool) -> Service:
        """Store a batch as this kind of destination does. The bad record is refused, each time."""
        if self.kind is Kind.UPSERT_VERSIONED:
            values = list(self.values)
            for record in batch.good:
                if not is_stamp_guarded or batch.stamp >= values[name_of(record)][0]:
                    values[name_of(record)] = (batch.stamp, batch.version)
            return self._replace(values=tuple(values))
        if self.kind is Kind.IDEMPOTENCY_KEY:
            if key in self.keys:
                return self
            return self.add(batch)._replace(keys=tuple(sorted([*self.keys, key])))
        return self.add(batch)

    def add(self, batch: Content) -> Service:
        return self._replace(stored=tuple(n + (record in batch.good) for record, n in enumerate(self.stored)))


def name_of(record: int) -> int:
    """In an upsert the last record is the first one again, in a later version."""
    return 0 if record == RECORDS - 1 else record


Steps = Iterator[Step[World[Service], Worker]]


def look(world: World[Service], worker: Worker, rules: Rules) -> Steps:
    """Find what an earlier worker left: an intent goes first, else the cursor says where to go on."""
    row = world.row
    left = row.prepared
    if left is None or not rules.intent_is_sent_again_first:
        after = worker._replace(at="ready", number=row.batches, cursor=row.cursor)
        yield control.change("go on from the cursor", world, worker, after)
    elif left.run != worker.run and not rules.ended_runs_batch_is_settled:
        after = worker._replace(at="ready", number=row.batches, cursor=row.cursor)
        yield control.change("leave another run's intent", world, worker, after, prepared=None)
    else:
        uncertain = row.uncertain
        if world.far.kind is Kind.APPEND_ONLY and rules.uncertain_is_marked:
            uncertain = tuple(sorted({*uncertain, *left.good}))
        yield from take_up(world, worker, left, uncertain, rules)


def take_up(world: World[Service], worker: Worker, left: Content, uncertain: tuple[int, ...], rules: Rules) -> Steps:
    """Send an intent again. Without its content (a wrong variant) only its key is known: the records are read anew."""
    ends = [left.end]
    if not rules.intent_holds_the_content:
        ends = list(range(left.start + 1, min(left.start + 2, RECORDS) + 1))
    for end in ends:
        content = left if rules.intent_holds_the_content else left._replace(end=end, version=world.far.source_version)
        if not rules.key_outlives_the_run:
            content = content._replace(run=worker.run)
        after = worker._replace(at="prepared", number=content.number - 1, content=content)
        yield control.change("take up the intent", world, worker, after, prepared=content, uncertain=uncertain)


def fetch(world: World[Service], worker: Worker, rules: Rules) -> Steps:
    """Read on. What is read carries the fence and the batch's number as its stamp; a worker's clock may be behind."""
    stamps = (worker.fence * 8 + worker.number + 1,) if rules.stamp_follows_the_fence else (0, 1)
    if world.far.kind is not Kind.UPSERT_VERSIONED:
        stamps = (0,)
    yield from control.fetch_of(world, worker, world.far.source_version, stamps)


def prepare(world: World[Service], worker: Worker, rules: Rules) -> Steps:
    """Store the intent: what will be sent, and as whose batch."""
    batch, ahead = in_hand(worker), {}
    if not rules.cursor_moves_with_the_commit:
        ahead = {"cursor": batch.end}
    after = worker._replace(at="prepared")
    if not rules.intent_precedes_the_send:
        yield Step("no intent yet", world, after)
    else:
        guard = rules.prepare_is_guarded
        yield control.change("prepare", world, worker, after, is_guarded=guard, prepared=batch, **ahead)


def key_of(batch: Content, worker: Worker, rules: Rules) -> Key:
    """Name what is sent, so that the destination knows it again."""
    attempt = () if rules.key_outlives_the_attempt else (worker.fence,)
    return (batch.run, batch.number, *attempt) if rules.key_names_the_batch else (batch.run, *attempt)


def send(world: World[Service], worker: Worker, rules: Rules) -> Steps:
    """Send the batch; a zombie may do so at any time. The answer may be lost, with or without the batch."""
    batch, row = in_hand(worker), world.row
    arrived = world._replace(far=world.far.receive(batch, key_of(batch, worker, rules), rules.stamp_is_guarded))
    after = worker._replace(at="sent") if rules.commit_follows_the_send else behind(worker, batch)
    yield Step("send", arrived, after)
    if row.crashes and rules.commit_follows_the_send:
        fewer, failing = row._replace(crashes=row.crashes - 1), worker._replace(at="failing", content=None)
        yield Step("send, its answer lost", arrived._replace(row=fewer), failing, True)
        yield Step("send lost", world._replace(row=fewer), failing, True)


def behind(worker: Worker, batch: Content) -> Worker:
    return worker._replace(at="committed", number=batch.number, cursor=batch.end, content=None)


def commit(world: World[Service], worker: Worker, rules: Rules) -> Steps:
    """Store the results: counters, refused records as dead letters, the cursor; the intent has done its work."""
    batch, row = in_hand(worker), world.row
    after = behind(worker, batch) if rules.commit_follows_the_send else worker._replace(at="committed unsent")
    letters = row.letters
    if rules.letters_are_stored_with_their_batch:
        letters = control.with_letters(row, batch)
    else:
        after = worker._replace(at="letters to store")
    latest = list(row.latest)
    for record in batch.good:
        latest[name_of(record)] = batch.version
    yield control.change(
        "commit", world, worker, after, is_guarded=rules.commit_is_guarded,
        prepared=None, letters=letters, latest=tuple(latest), **control.counted(row, batch),
    )  # fmt: skip


def store_letters(world: World[Service], worker: Worker, rules: Rules) -> Steps:
    """Only in a wrong variant: dead letters in a transaction after the commit."""
    batch = in_hand(worker)
    letters = control.with_letters(world.row, batch)
    yield control.change("store letters", world, worker, behind(worker, batch), letters=letters)


TABLE: control.Table[Service] = {
    "idle": (control.claim,),
    "claimed": (look,),
    "ready": (fetch,),
    "fetched": (prepare, control.stop_for_cancel),
    "prepared": (send,),
    "sent": (commit,),
    "letters to store": (store_letters,),
    "committed": (fetch, control.hand_back, control.stop_for_cancel),
    "at the end": (control.succeed,),
    "failing": (control.retry,),
}
COMMIT_FIRST: control.Table[Service] = {**TABLE, "prepared": (commit,), "committed unsent": (send,)}


def nature(world: World[Service]) -> Iterator[tuple[str, World[Service]]]:
    """People, and a source that changes while it is read."""
    yield from control.people(world)
    far = world.far
    if far.source_changes:
        changed = far._replace(source_version=far.source_version + 1, source_changes=far.source_changes - 1)
        yield "the source changes", world._replace(far=changed)


def breaches(world: World[Service]) -> Iterator[str]:
    """Name the properties that do not hold in this state."""
    row, far = world.row, world.far
    letters = [record for _, _, record in row.letters]
    if letters.count(BAD) > 1 or any(n > 1 and record not in row.uncertain for record, n in enumerate(far.stored)):
        yield "doubled"
    if row.state == SUCCEEDED:
        if control.counts_are_wrong(row):
            yield "counts"
        if BAD not in letters or any(not is_there(far, record) for record in GOOD):
            yield "lost"
        if far.kind is Kind.UPSERT_VERSIONED and far.values[0][1] < row.latest[0]:
            yield "stale"


def is_there(far: Service, record: int) -> bool:
    if far.kind is Kind.UPSERT_VERSIONED:
        return far.values[name_of(record)] != NEVER
    return far.stored[record] > 0


def protocol(
    kind: Kind, rules: Rules = SOUND, *, crashes: int, pauses: int, cancels: int = 0, source_changes: int = 0
) -> Protocol[World[Service], Worker]:
    """The protocol for one kind of destination, with so many faults of each kind."""
    row = Row(crashes=crashes, pauses=pauses, cancels=cancels)
    return Protocol(
        World(row, Service(kind, source_changes=source_changes)),
        IDLE,
        partial(control.steps, TABLE if rules.commit_follows_the_send else COMMIT_FIRST, rules),
        nature,
        breaches,
        control.has_ended,
    )
