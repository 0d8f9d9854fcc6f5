"""The reading part of the connector conformance suite."""

from __future__ import annotations

import json
from contextlib import closing
from dataclasses import replace

import pytest

from accounts.errors import SignalboxError
from integrations.connectors.base import Batch, Cursor, Cut, Partition, ReadRequest, Stream
from integrations.connectors.optional import Partitioned
from integrations.errors import CURSOR_INVALID, STREAM_MISSING, NeedsPerson
from tests.connectors.cases import Base, Broken, Rows, Source, make, no_secret_in


def rows_of(batches: list[Batch]) -> Rows:
    """Return the records of some batches, in order."""
    return [row for batch in batches for row in batch.records.to_pylist()]


def plain(cursor: Cursor) -> Cursor:
    """Return the cursor as it comes back from a database column."""
    back: Cursor = json.loads(json.dumps(cursor, allow_nan=False))
    assert back == cursor, "a cursor must be plain JSON"
    return back


class ReadConformance(Base):
    """Everything is read once, in order, from any cursor, and no fault looks like a success."""

    def read(self, source: Source | Broken, request: ReadRequest) -> list[Batch]:
        with closing(self.plugin(source.context)) as connector:
            return list(connector.read(request))

    def discovered(self, source: Source) -> Stream:
        with closing(self.plugin(source.context)) as connector:
            return next(stream for stream in connector.discover() if stream.name == source.stream)

    def request(self, source: Source, *, incremental: bool = False) -> ReadRequest:
        return ReadRequest(
            source.stream,
            cursor_field=source.cursor_field if incremental else "",
            primary_key=source.primary_key,
            schema=source.schema or self.discovered(source).schema,
            batch_records=source.batch_records,
            batch_bytes=source.batch_bytes,
        )

    def test_a_working_connector_checks_green(self, source: Source) -> None:
        verdict = make(self.plugin, source.context).verdict()
        assert verdict.ok, verdict
        assert verdict.message
        no_secret_in(source.context, repr(verdict))

    def test_a_stream_that_is_described_alone_is_the_one_that_is_discovered(self, source: Source) -> None:
        with closing(self.plugin(source.context)) as connector:
            assert connector.describe(source.stream).schema == self.discovered(source).schema

    def test_a_stream_that_is_not_there_cannot_be_described(self, source: Source) -> None:
        with closing(self.plugin(source.context)) as connector, pytest.raises(NeedsPerson):
            connector.describe("no-such-stream")

    def test_every_record_is_read_once_and_in_order(self, source: Source) -> None:
        batches = self.read(source, self.request(source))
        assert rows_of(batches) == source.records
        assert sum(len(batch.bad) for batch in batches) == source.bad

    def test_the_source_is_large_enough_to_prove_something(self, source: Source) -> None:
        batches = self.read(source, self.request(source))
        assert len([batch for batch in batches if batch.records.num_rows]) >= 3

    def test_what_is_read_has_the_discovered_schema(self, source: Source) -> None:
        schema = self.request(source).schema
        read = {batch.records.schema for batch in self.read(source, self.request(source)) if batch.records.num_rows}
        assert len(read) == 1
        assert schema is None or read.pop().equals(schema)

    def test_the_discovered_keys_and_cursors_are_usable(self, source: Source) -> None:
        stream = self.discovered(source)
        assert not source.cursor_field or source.cursor_field in stream.cursor_fields
        assert stream.schema is None or set(stream.primary_key) <= set(stream.schema.names)

    def test_reading_from_any_cursor_gives_exactly_the_rest(self, source: Source) -> None:
        request = self.request(source)
        batches = self.read(source, request)
        for number, batch in enumerate(batches, start=1):
            rest = self.read(source, replace(request, cursor=plain(batch.cursor)))
            assert rows_of(rest) == rows_of(batches[number:]), f"after batch {number}"
            assert [b.bad for b in rest if b.bad] == [b.bad for b in batches[number:] if b.bad]

    def test_batches_keep_the_asked_size_and_report_progress(self, source: Source) -> None:
        batches = self.read(source, self.request(source))
        assert max(batch.records.num_rows for batch in batches) <= source.batch_records
        progress = [batch.progress for batch in batches if batch.progress is not None]
        assert progress == sorted(progress)
        assert all(0 <= share <= 1 for share in progress)
        assert all(batch.read_bytes >= 0 for batch in batches)

    def test_an_incremental_read_gives_only_what_is_new(self, source: Source) -> None:
        if not source.cursor_field:
            return
        request = self.request(source, incremental=True)
        first = self.read(source, request)
        again = self.read(source, replace(request, cursor=plain(first[-1].cursor)))
        assert (len(rows_of(first)), rows_of(again)) == (len(source.records), [])
        if source.more is not None:
            last = again[-1].cursor if again else first[-1].cursor
            added = source.more()
            assert rows_of(self.read(source, replace(request, cursor=plain(last)))) == added

    def test_an_incremental_read_continues_from_any_cursor(self, source: Source) -> None:
        if not source.cursor_field:
            return
        request = self.request(source, incremental=True)
        batches = self.read(source, request)
        for number, batch in enumerate(batches, start=1):
            rest = self.read(source, replace(request, cursor=plain(batch.cursor)))
            assert rows_of(rest) == rows_of(batches[number:]), f"after batch {number}"

    def parts(self, source: Source, most: int, least_bytes: int = 1) -> list[Partition]:
        """Return what the plugin cuts the stream into, as it comes back from a database column."""
        with closing(self.plugin(source.context)) as connector:
            if not isinstance(connector, Partitioned):
                return []
            found = connector.partitions(self.request(source), Cut(most, least_bytes))
            return [Partition(part.key, part.label, json.loads(json.dumps(part.spec))) for part in found]

    @pytest.mark.parametrize("most", [2, 3, 7])
    def test_partitions_together_give_every_record_once(self, source: Source, most: int) -> None:
        parts = self.parts(source, most)
        assert len(parts) >= 2 or not source.cuts
        assert len({part.key for part in parts}) == len(parts) <= most
        assert all(part.label and len(part.key) <= 20 for part in parts)
        found = [self.read(source, replace(self.request(source), partition=part)) for part in parts]
        batches = [batch for part in found for batch in part]
        expected = list(source.records) if parts else []
        for row in rows_of(batches):
            expected.remove(row)
        assert expected == []
        assert not parts or sum(len(batch.bad) for batch in batches) == source.bad
        assert sum(any(batch.records.num_rows for batch in part) for part in found) >= min(len(parts), 2)

    def test_a_partition_continues_from_any_cursor_and_reports_progress(self, source: Source) -> None:
        for part in self.parts(source, 2):
            request = replace(self.request(source), partition=part)
            batches = self.read(source, request)
            for number, batch in enumerate(batches, start=1):
                rest = self.read(source, replace(request, cursor=plain(batch.cursor)))
                assert rows_of(rest) == rows_of(batches[number:]), f"{part.label}, after batch {number}"
                assert [b.bad for b in rest if b.bad] == [b.bad for b in batches[number:] if b.bad]
            progress = [batch.progress for batch in batches if batch.progress is not None]
            assert progress == sorted(progress)
            assert all(0 <= share <= 1 for share in progress)

    def test_what_is_too_small_or_not_to_be_cut_has_no_partitions(self, source: Source) -> None:
        assert (self.parts(source, 1), self.parts(source, 4, least_bytes=10**9)) == ([], [])

    def test_an_unknown_stream_is_a_clear_error(self, source: Source) -> None:
        with pytest.raises(NeedsPerson) as caught:
            self.read(source, ReadRequest("no_such_stream_7f3a"))
        assert caught.value.code == STREAM_MISSING

    def test_a_foreign_cursor_is_refused(self, source: Source) -> None:
        with pytest.raises(NeedsPerson) as caught:
            self.read(source, replace(self.request(source), cursor={"of another plugin": [1]}))
        assert caught.value.code == CURSOR_INVALID

    def test_no_secret_stands_in_what_a_source_shows(self, source: Source, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level("DEBUG")
        batches = self.read(source, self.request(source))
        with closing(self.plugin(source.context)) as connector:
            shown = [repr(connector), str(connector), repr(source.context), caplog.text]
        no_secret_in(source.context, *shown, *(repr((batch.cursor, batch.bad)) for batch in batches))

    def test_a_broken_source_never_ends_as_a_success(self, broken: Broken, caplog: pytest.LogCaptureFixture) -> None:
        if not broken.stream:
            return
        caplog.set_level("DEBUG")
        with pytest.raises(SignalboxError) as caught:
            self.read(broken, ReadRequest(broken.stream, cursor=broken.cursor))
        error = caught.value
        assert error.code in broken.codes
        assert error.message
        assert error.what_to_do
        no_secret_in(broken.context, str(error), repr(error), repr(error.detail), caplog.text)
