"""The writing part of the connector conformance suite: atomic, resumable, fenced."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import closing, contextmanager

import pyarrow as pa
import pytest

from integrations.connectors.base import Commit, Connector, StoredCheckpoint, Writer, WriteRequest
from integrations.errors import LEASE_LOST, RecordsRefused, StopRun
from tests.connectors.cases import Base, Destination, Rows

RUN = "0197a1b2-run-one"
OWNER = "deployment-1"


def commit_of(batch_number: int, run: str = RUN) -> Commit:
    """Return the commit that goes with a batch; its cursor is recognisable."""
    return Commit(run, batch_number, {"after": batch_number, "note": "ü"})


def request_of(destination: Destination, fence: int, owner: str = OWNER) -> WriteRequest:
    """Return how the suite asks for a writer."""
    schema = destination.batches[0].schema
    return WriteRequest(destination.stream, schema, destination.mode, destination.key, owner, fence)


def expected_rows(destination: Destination) -> Rows:
    """Return what must be visible after all batches."""
    if destination.records is not None:
        return destination.records
    return [row for batch in destination.batches for row in batch.to_pylist()]


def ordered(rows: Rows) -> list[str]:
    """Return rows in one order, comparable."""
    return sorted(repr(sorted(row.items())) for row in rows)


def write_then_die(plugin: type[Connector], destination_of: tuple[object, WriteRequest, list[pa.RecordBatch]]) -> None:
    """Write batches in a process of its own and kill it, as the kernel would: nothing is closed or rolled back."""
    context, request, batches = destination_of
    with plugin(context).open_writer(request) as writer:  # type: ignore[arg-type]  # pickled by the parent as a Context
        writer.checkpoint()
        for number, batch in enumerate(batches, start=1):
            writer.write(batch, commit_of(number))
        os.kill(os.getpid(), signal.SIGKILL)


class WriteConformance(Base):
    """What is written is what a consumer sees, and a refused batch leaves nothing."""

    @contextmanager
    def writer(self, destination: Destination, fence: int = 1, owner: str = OWNER) -> Iterator[Writer]:
        with (
            closing(self.plugin(destination.context)) as connector,
            connector.open_writer(request_of(destination, fence, owner)) as writer,
        ):
            yield writer

    def write_all(self, destination: Destination, fence: int = 1, first: int = 1) -> None:
        with self.writer(destination, fence) as writer:
            for number, batch in list(enumerate(destination.batches, start=1))[first - 1 :]:
                writer.write(batch, commit_of(number))
            writer.finish(commit_of(len(destination.batches)))

    def test_batches_that_are_staged_ahead_arrive_once_each(self, destination: Destination) -> None:
        batches = destination.batches
        with self.writer(destination) as writer, ThreadPoolExecutor(1) as other_thread:
            other_thread.submit(writer.stage, batches[0]).result()
            for number, batch in enumerate(batches, start=1):
                following = [other_thread.submit(writer.stage, later) for later in batches[number : number + 1]]
                writer.write(batch, commit_of(number))
                wait(following)
            writer.finish(commit_of(len(batches)))
        assert ordered(destination.contents()) == ordered(expected_rows(destination))

    def test_a_batch_that_is_staged_and_never_written_is_not_there(self, destination: Destination) -> None:
        with self.writer(destination) as writer:
            for batch in destination.batches:
                writer.stage(batch)
            writer.write(destination.batches[0], commit_of(1))
            assert writer.checkpoint() is not None
        self.write_all(destination, fence=2, first=2)
        assert ordered(destination.contents()) == ordered(expected_rows(destination))

    def test_all_batches_are_visible_after_the_finish(self, destination: Destination) -> None:
        assert len(destination.batches) >= 3
        self.write_all(destination)
        assert ordered(destination.contents()) == ordered(expected_rows(destination))

    def test_a_probe_stores_nothing(self, destination: Destination) -> None:
        with self.writer(destination) as writer:
            for batch in destination.batches:
                writer.probe(batch)
        self.write_all(destination, fence=2)
        assert ordered(destination.contents()) == ordered(expected_rows(destination))

    def test_a_refused_batch_leaves_nothing_behind(self, destination: Destination) -> None:
        if destination.refused is None:
            return
        with self.writer(destination) as writer:
            writer.write(destination.batches[0], commit_of(1))
            with pytest.raises(RecordsRefused):
                writer.probe(destination.refused)
            with pytest.raises(RecordsRefused) as caught:
                writer.write(destination.refused, commit_of(2))
            for number, batch in list(enumerate(destination.batches, start=1))[1:]:
                writer.write(batch, commit_of(number))
            writer.finish(commit_of(len(destination.batches)))
        assert caught.value.message
        assert caught.value.what_to_do
        assert ordered(destination.contents()) == ordered(expected_rows(destination))


class TransactionalConformance(WriteConformance):
    """A batch and its checkpoint are stored whole or not at all, under the highest fence."""

    def stored(self, destination: Destination, fence: int, owner: str = OWNER) -> StoredCheckpoint | None:
        with self.writer(destination, fence, owner) as writer:
            return writer.checkpoint()

    def check_resumed(self, destination: Destination, stored: StoredCheckpoint | None, fence: int) -> None:
        """Continue after batch 1 as the next worker does, and compare what is visible."""
        assert stored is not None
        assert (stored.run, stored.batch_number, stored.cursor) == (RUN, 1, commit_of(1).cursor)
        self.write_all(destination, fence, first=2)
        assert ordered(destination.contents()) == ordered(expected_rows(destination))

    def write_and_fail(self, destination: Destination) -> None:
        with self.writer(destination) as writer:
            writer.write(destination.batches[0], commit_of(1))
            raise ZeroDivisionError

    def test_a_new_destination_remembers_nothing(self, destination: Destination) -> None:
        assert self.stored(destination, fence=1) is None

    def test_the_checkpoint_is_that_of_the_last_batch(self, destination: Destination) -> None:
        with self.writer(destination) as writer:
            for number, batch in enumerate(destination.batches, start=1):
                writer.write(batch, commit_of(number))
                assert writer.checkpoint() == StoredCheckpoint(RUN, number, commit_of(number).cursor, 1)

    def test_a_batch_without_records_moves_the_checkpoint(self, destination: Destination) -> None:
        with self.writer(destination) as writer:
            writer.write(destination.batches[0].slice(0, 0), commit_of(1))
            stored = writer.checkpoint()
        assert stored is not None
        assert stored.cursor == commit_of(1).cursor

    def test_another_owner_has_a_checkpoint_of_its_own(self, destination: Destination) -> None:
        with self.writer(destination) as writer:
            writer.write(destination.batches[0], commit_of(1))
        assert self.stored(destination, fence=1, owner="deployment-2") is None

    def test_an_aborted_writer_is_resumed_without_loss_or_doubles(self, destination: Destination) -> None:
        with self.writer(destination) as writer:
            writer.write(destination.batches[0], commit_of(1))
            writer.abort()
        self.check_resumed(destination, self.stored(destination, fence=2), fence=3)

    def test_a_writer_that_failed_is_resumed_without_loss_or_doubles(self, destination: Destination) -> None:
        with pytest.raises(ZeroDivisionError):
            self.write_and_fail(destination)
        self.check_resumed(destination, self.stored(destination, fence=2), fence=3)

    def test_a_killed_worker_is_resumed_without_loss_or_doubles(self, destination: Destination) -> None:
        task = (destination.context, request_of(destination, 1), [destination.batches[0]])
        worker = multiprocessing.get_context("spawn").Process(target=write_then_die, args=(self.plugin, task))
        worker.start()
        worker.join(timeout=60)
        assert worker.exitcode == -signal.SIGKILL
        self.check_resumed(destination, self.stored(destination, fence=2), fence=3)

    def test_finishing_again_changes_nothing(self, destination: Destination) -> None:
        self.write_all(destination)
        last = commit_of(len(destination.batches))
        with self.writer(destination, fence=2) as writer:
            stored = writer.checkpoint()
            assert stored is not None
            assert stored.batch_number == last.batch_number
            writer.finish(last)
        assert ordered(destination.contents()) == ordered(expected_rows(destination))

    def test_a_paused_worker_cannot_write_after_its_successor_looked(self, destination: Destination) -> None:
        with self.writer(destination, fence=5) as paused, self.writer(destination, fence=6) as successor:
            assert successor.checkpoint() is None
            with pytest.raises(StopRun) as caught:
                paused.write(destination.batches[0], commit_of(1))
            successor.write(destination.batches[0], commit_of(1))
        assert caught.value.code == LEASE_LOST
        self.check_resumed(destination, self.stored(destination, fence=7), fence=8)

    def test_a_stale_worker_cannot_write_or_finish(self, destination: Destination) -> None:
        with self.writer(destination, fence=9) as newer:
            newer.write(destination.batches[0], commit_of(1))
        with pytest.raises(StopRun) as caught, self.writer(destination, fence=4) as stale:
            stale.write(destination.batches[1], commit_of(2))
        assert caught.value.code == LEASE_LOST
        with pytest.raises(StopRun), self.writer(destination, fence=4) as stale:
            stale.finish(commit_of(1))
        self.check_resumed(destination, self.stored(destination, fence=10), fence=11)

    def test_the_next_run_adds_to_what_is_there(self, destination: Destination) -> None:
        self.write_all(destination)
        with self.writer(destination, fence=2) as writer:
            writer.write(destination.batches[0], commit_of(1, run="0197a1b2-run-two"))
            writer.finish(commit_of(1, run="0197a1b2-run-two"))
        again = [] if destination.key else destination.batches[0].to_pylist()
        assert ordered(destination.contents()) == ordered(expected_rows(destination) + again)
