"""The writing part of the conformance suite for remote destinations: composed once, sent the same, however often."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Iterator
from contextlib import closing, contextmanager

import pyarrow as pa
import pytest

from integrations.connectors.base import Connector, Content, Context, Guarantee, Refused, Writer, WriteRequest
from tests.connectors.cases import Base, Destination, no_secret_in
from tests.connectors.conformance_write import commit_of, expected_rows, ordered, request_of


def deliver_then_die(plugin: type[Connector], context: Context, request: WriteRequest, data: bytes) -> None:
    """Send all parts of a batch in a process of its own and kill it before it can say so."""
    with plugin(context).open_writer(request) as writer:
        for _ in writer.deliver(data):
            pass
        os.kill(os.getpid(), signal.SIGKILL)


class RemoteConformance(Base):
    """Every record arrives; what is sent again is the same, and does what the declared guarantee says."""

    @contextmanager
    def writer(self, destination: Destination, fence: int = 1) -> Iterator[Writer]:
        with (
            closing(self.plugin(destination.context)) as connector,
            connector.open_writer(request_of(destination, fence)) as writer,
        ):
            yield writer

    def composed(self, destination: Destination, fence: int = 1) -> list[Content]:
        with self.writer(destination, fence) as writer:
            made = [writer.compose(batch, commit_of(n)) for n, batch in enumerate(destination.batches, start=1)]
        assert None not in made, "a remote destination composes its content"
        return [content for content in made if content is not None]

    def deliver(self, destination: Destination, content: Content, first: int = 0, fence: int = 1) -> list[Refused]:
        with self.writer(destination, fence) as writer:
            answers = list(writer.deliver(content.data, first))
        assert len(answers) == len(content.sizes) - first
        return [refused for answer in answers for refused in answer]

    def guarantee(self, destination: Destination) -> Guarantee:
        with self.writer(destination) as writer:
            return writer.guarantee

    def test_the_writer_keeps_what_the_settings_declare(self, destination: Destination) -> None:
        spec = self.plugin.spec
        declared = spec.stream_guarantee and spec.stream_guarantee(destination.context.settings, destination.stream)
        assert self.guarantee(destination) is (declared or spec.guarantee)

    def test_it_remembers_nothing(self, destination: Destination) -> None:
        with self.writer(destination) as writer:
            assert writer.checkpoint() is None

    def test_every_record_arrives_once(self, destination: Destination) -> None:
        contents = self.composed(destination)
        assert [self.deliver(destination, content) for content in contents] == [[]] * len(contents)
        assert ordered(destination.contents()) == ordered(expected_rows(destination))

    def test_a_batch_has_several_parts_that_hold_all_its_records(self, destination: Destination) -> None:
        contents = self.composed(destination)
        assert [sum(content.sizes) for content in contents] == [batch.num_rows for batch in destination.batches]
        assert max(len(content.sizes) for content in contents) >= 2

    def test_the_same_batch_is_composed_to_the_same_bytes(self, destination: Destination) -> None:
        assert self.composed(destination) == self.composed(destination)

    def test_no_credential_stands_in_what_is_stored(self, destination: Destination) -> None:
        no_secret_in(destination.context, *(repr(content.data) for content in self.composed(destination)))

    def test_a_delivery_goes_on_at_any_part(self, destination: Destination) -> None:
        for content in self.composed(destination):
            with self.writer(destination) as writer:
                next(writer.deliver(content.data))
            self.deliver(destination, content, first=1)
        assert ordered(destination.contents()) == ordered(expected_rows(destination))

    def test_what_is_sent_twice_is_there_once_unless_the_destination_only_appends(
        self, destination: Destination
    ) -> None:
        for content in self.composed(destination):
            assert self.deliver(destination, content) == self.deliver(destination, content, fence=2) == []
        times = 2 if self.guarantee(destination) is Guarantee.APPEND_ONLY else 1
        assert ordered(destination.contents()) == ordered(expected_rows(destination) * times)

    def test_a_killed_worker_is_followed_without_loss(self, destination: Destination) -> None:
        contents = self.composed(destination)
        task = (self.plugin, destination.context, request_of(destination, 1), contents[0].data)
        worker = multiprocessing.get_context("spawn").Process(target=deliver_then_die, args=task)
        worker.start()
        worker.join(timeout=60)
        assert worker.exitcode == -signal.SIGKILL
        for content in contents:
            self.deliver(destination, content, fence=2)
        doubled = destination.batches[0].to_pylist() if self.guarantee(destination) is Guarantee.APPEND_ONLY else []
        assert ordered(destination.contents()) == ordered(expected_rows(destination) + doubled)

    def test_a_late_batch_cannot_replace_newer_versions(self, destination: Destination) -> None:
        if self.guarantee(destination) is not Guarantee.UPSERT_VERSIONED:
            return
        late = self.composed(destination)
        with self.writer(destination, fence=2) as writer:
            newer = [writer.compose(_changed(batch), commit_of(n)) for n, batch in enumerate(destination.batches)]
        for content in newer:
            assert content is not None
            self.deliver(destination, content, fence=2)
        seen = ordered(destination.contents())
        for content in late:
            assert self.deliver(destination, content) == []
        assert ordered(destination.contents()) == seen != ordered(expected_rows(destination))

    def test_a_batch_without_records_has_no_parts(self, destination: Destination) -> None:
        with self.writer(destination) as writer:
            content = writer.compose(destination.batches[0].slice(0, 0), commit_of(1))
            assert content is not None
            assert (content.sizes, list(writer.deliver(content.data))) == ((), [])

    def test_refused_records_are_named_and_the_others_arrive(self, destination: Destination) -> None:
        if destination.refused is None:
            return
        with self.writer(destination) as writer:
            content = writer.compose(destination.refused, commit_of(1))
        assert content is not None
        refused = self.deliver(destination, content)
        kept = [row for n, row in enumerate(destination.refused.to_pylist()) if n not in {each.row for each in refused}]
        assert refused
        assert all(each.reason for each in refused)
        assert ordered(destination.contents()) == ordered(kept)

    def test_transactional_steps_are_not_offered(self, destination: Destination) -> None:
        batch = destination.batches[0]
        with self.writer(destination) as writer:
            with pytest.raises(TypeError):
                writer.write(batch, commit_of(1))
            with pytest.raises(TypeError):
                writer.probe(batch)
            writer.stage(batch)
            writer.finish(commit_of(1))
            writer.abort()
        assert destination.contents() == []


def _changed(batch: pa.RecordBatch) -> pa.RecordBatch:
    """The same records with another name."""
    place = batch.schema.get_field_index("name")
    return batch.set_column(place, batch.schema.field(place), pa.array(["newer"] * batch.num_rows))
