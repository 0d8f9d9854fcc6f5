"""Our own database in the model: the run's row with its fence and lease, and the steps that every protocol has.

The source has three records, one for each of three batches; a fetch may also take two at once, so that a batch that is
read again may hold other records than before. The record in the middle is a bad one: it ends as a dead letter.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Generic, NamedTuple, TypeVar

from tests.faults.model.explorer import Step
from tests.faults.model.rules import Rules

RECORDS = 3
BAD = 1
GOOD = tuple(record for record in range(RECORDS) if record != BAD)

QUEUED, RUNNING, SUCCEEDED, CANCELLED = "queued", "running", "succeeded", "cancelled"


class Content(NamedTuple):
    """A batch: whose it is, the records from `start` to before `end`, and the version of the source that they show."""

    run: int
    number: int
    start: int
    end: int
    version: int = 0
    stamp: int = 0

    @property
    def good(self) -> list[int]:
        return [record for record in GOOD if self.start <= record < self.end]

    @property
    def bad(self) -> list[int]:
        return [BAD] if self.start <= BAD < self.end else []


class Row(NamedTuple):
    """What our database holds of the deployment and its newest run, and the faults that may still come.

    `holder` is the model's own knowledge: the number of the claim that really holds the run. No step may look at it.
    """

    run: int = 1
    state: str = QUEUED
    fence: int = 0
    deployment_fence: int = 0
    holder: int = 0
    claims: int = 0
    leased: bool = False
    cancel_asked: bool = False
    batches: int = 0
    cursor: int = 0
    written: int = 0
    set_aside: int = 0
    letters: tuple[tuple[int, int, int], ...] = ()
    prepared: Content | None = None
    uncertain: tuple[int, ...] = ()
    latest: tuple[int, ...] = (-1,) * RECORDS
    crashes: int = 0
    pauses: int = 0
    cancels: int = 0


class Worker(NamedTuple):
    """What a worker has in its memory: where it stands, its claim, and its batch."""

    at: str = "idle"
    claim: int = 0
    run: int = 0
    fence: int = 0
    number: int = 0
    cursor: int = 0
    content: Content | None = None


Far = TypeVar("Far")
IDLE = Worker()


class World(NamedTuple, Generic[Far]):
    """Our database, and the destination."""

    row: Row
    far: Far


Steps = Iterator[Step[World[Far], Worker]]
Table = Mapping[str, tuple[Callable[[World[Far], Worker, Rules], Steps[Far]], ...]]


def in_hand(worker: Worker) -> Content:
    """Return the batch of a worker that stands where it has one."""
    assert worker.content is not None
    return worker.content


def guarded(row: Row, worker: Worker, is_guarded: bool, **changes: object) -> tuple[Row, str] | None:
    """Change the row `WHERE id = ? AND fence = ? AND state = 'running'`; None where no row was changed.

    The breach says that the change was made by a worker that does not hold the run. A run that is over has a row of its
    own, so that what is done to it leaves the newest run's row alone.
    """
    held = row.state == RUNNING and (row.run, row.fence) == (worker.run, worker.fence)
    if is_guarded and not held:
        return None
    breach = "" if row.state == RUNNING and row.holder == worker.claim else "owner"
    if row.run != worker.run:
        return row, breach
    return row._replace(**{"leased": True, **changes}), breach  # type: ignore[arg-type]  # names are the row's


def change(
    name: str, world: World[Far], worker: Worker, after: Worker, *, is_guarded: bool = True, **changes: object
) -> Step[World[Far], Worker]:
    """Make a guarded change of the row; a worker that the guard stops gives up its slice."""
    changed = guarded(world.row, worker, is_guarded, **changes)
    if changed is None:
        return Step(f"{name}: stopped", world, IDLE)
    return Step(name, world._replace(row=changed[0]), after, breach=changed[1])


def claim(world: World[Far], worker: Worker, rules: Rules) -> Steps[Far]:
    """Take a run that is due: queued, or running with its lease over. Each claim takes a higher fence."""
    row = world.row
    ran_out = rules.claim_takes_over_what_ran_out and not (rules.claim_asks_the_lease and row.leased)
    is_due = row.state == QUEUED or (row.state == RUNNING and ran_out)
    if not is_due:
        return
    last = row.deployment_fence if rules.fence_belongs_to_the_deployment else row.fence
    fence = last + 1 if rules.claim_raises_the_fence else last
    claims = row.claims + 1
    taken = row._replace(
        state=RUNNING, fence=fence, deployment_fence=fence, leased=True, holder=claims, claims=claims
    )  # fmt: skip
    stolen = "stolen" if row.state == RUNNING and row.leased else ""
    yield Step("claim", world._replace(row=taken), Worker("claimed", claims, row.run, fence), breach=stolen)


def crash(world: World[Far], worker: Worker, rules: Rules) -> Steps[Far]:
    """Die: what was in memory is gone, a process starts anew, and the lease runs out by itself."""
    row = world.row
    if row.crashes:
        leased = row.leased and row.holder != worker.claim
        yield Step("crash", world._replace(row=row._replace(crashes=row.crashes - 1, leased=leased)), IDLE, True)


def pause(world: World[Far], worker: Worker, rules: Rules) -> Steps[Far]:
    """Stand still until the lease is over, between any two steps. What it does next, it does as a zombie."""
    row = world.row
    if row.pauses and row.leased and row.holder == worker.claim:
        yield Step("pause", world._replace(row=row._replace(pauses=row.pauses - 1, leased=False)), worker, True)


def heartbeat(world: World[Far], worker: Worker, rules: Rules) -> Steps[Far]:
    """Prolong a lease that is over and that nobody took; a worker that lost it stops itself."""
    if not (world.row.leased and world.row.holder == worker.claim):
        yield change("heartbeat", world, worker, worker, is_guarded=rules.heartbeat_is_guarded)


def hand_back(world: World[Far], worker: Worker, rules: Rules) -> Steps[Far]:
    """End the slice after a batch: the lease ends now."""
    yield change("hand back", world, worker, IDLE, is_guarded=rules.hand_back_is_guarded, leased=False)


def retry(world: World[Far], worker: Worker, rules: Rules) -> Steps[Far]:
    """Put the run back into the queue after an answer that was lost."""
    yield change("retry", world, worker, IDLE, is_guarded=rules.retry_is_guarded, state=QUEUED, leased=False)


def stop_for_cancel(world: World[Far], worker: Worker, rules: Rules) -> Steps[Far]:
    """End a run that somebody wants to be cancelled, between two batches."""
    if world.row.cancel_asked:
        guard = rules.cancel_is_guarded
        yield change("end cancelled", world, worker, IDLE, is_guarded=guard, state=CANCELLED, leased=False)


def succeed(world: World[Far], worker: Worker, rules: Rules) -> Steps[Far]:
    """End a run whose stream is read to the end."""
    yield change("succeed", world, worker, IDLE, is_guarded=rules.finish_is_guarded, state=SUCCEEDED, leased=False)


def fetch(world: World[Far], worker: Worker, rules: Rules) -> Steps[Far]:
    """Read the next batch."""
    yield from fetch_of(world, worker)


def fetch_of(world: World[Far], worker: Worker, version: int = 0, stamps: tuple[int, ...] = (0,)) -> Steps[Far]:
    """Read the next one or two records, as the source is now; or meet its end."""
    if worker.cursor == RECORDS:
        yield Step("read to the end", world, worker._replace(at="at the end"))
    for end in range(worker.cursor + 1, min(worker.cursor + 2, RECORDS) + 1):
        for stamp in stamps:
            batch = Content(worker.run, worker.number + 1, worker.cursor, end, version, stamp)
            yield Step(f"fetch {end - worker.cursor}", world, worker._replace(at="fetched", content=batch))


def steps(table: Table[Far], rules: Rules, world: World[Far], worker: Worker) -> Steps[Far]:
    """Yield what a worker may do next: what the table says of where it stands; and wherever it works, a fault."""
    for step in table[worker.at]:
        yield from step(world, worker, rules)
    if worker.at != "idle":
        yield from heartbeat(world, worker, rules)
        yield from crash(world, worker, rules)
        yield from pause(world, worker, rules)


def counted(row: Row, batch: Content) -> dict[str, object]:
    """Return the counters and the cursor after a batch. A batch of a run that is over counts for that run."""
    mine = {"batches": batch.number} if batch.run == row.run else {}
    return {
        "written": row.written + len(batch.good),
        "set_aside": row.set_aside + len(batch.bad),
        "cursor": batch.end,
        **mine,
    }


def with_letters(row: Row, batch: Content) -> tuple[tuple[int, int, int], ...]:
    return tuple(sorted([*row.letters, *((batch.run, batch.number, record) for record in batch.bad)]))


def without_letters(row: Row, batch: Content) -> tuple[tuple[int, int, int], ...]:
    return tuple(letter for letter in row.letters if letter[:2] != (batch.run, batch.number))


def people(world: World[Far]) -> Iterator[tuple[str, World[Far]]]:
    """What people do: cancel a run (at once, where no worker has it), and start the next one after a cancelled one."""
    row = world.row
    if row.cancels and row.state in {QUEUED, RUNNING} and not row.cancel_asked:
        asked = row._replace(cancels=row.cancels - 1, cancel_asked=True)
        if row.state == QUEUED or not row.leased:
            yield "cancel at once", world._replace(row=asked._replace(state=CANCELLED, leased=False))
        else:
            yield "ask for a cancel", world._replace(row=asked)
    if row.state == CANCELLED:
        fresh = row._replace(run=row.run + 1, state=QUEUED, fence=0, holder=0, batches=0, cancel_asked=False)
        yield "start the next run", world._replace(row=fresh)


def counts_are_wrong(row: Row) -> bool:
    """Say whether a run that succeeded counted other than what it moved."""
    letters = [record for _, _, record in row.letters]
    return (row.written, row.set_aside) != (len(GOOD), 1) or len(letters) != row.set_aside


def has_ended(world: World[Far]) -> bool:
    return world.row.state == SUCCEEDED
