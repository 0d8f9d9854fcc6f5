"""The preview's bounds, over a source that gives what a test tells it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

import pyarrow as pa
import pytest

from accounts.errors import Invalid
from accounts.models import Workspace
from accounts.request_context import Actor, acting_as
from integrations.connectors import registry
from integrations.connectors.base import BadRecord, Batch, Context, PluginSpec, ReadRequest, Stream
from integrations.errors import NeedsPerson
from integrations.models import Connector
from integrations.services import preview
from integrations.services.connectors import ConnectorInput, save_connector
from tests.runs.listed import Listed

pytestmark = pytest.mark.django_db
SCHEMA = pa.schema([("id", pa.int64())])
MAPPING = {"fields": [{"target": "id", "expression": "id", "type": "integer", "required": True}]}


class Told(Listed):
    """Offers one stream, with the schema and the batches that a test sets; remembers the limits it was given."""

    spec: ClassVar[PluginSpec] = PluginSpec("told", "Told", "Batches of a test", "list", (), reads=True)
    schema: ClassVar[pa.Schema | None] = SCHEMA
    batches: ClassVar[list[Batch]] = []
    given: ClassVar[list[int]] = []
    contexts: ClassVar[list[Context]] = []

    def describe(self, stream: str) -> Stream:
        return Stream(stream, schema=self.schema)

    def read(self, request: ReadRequest) -> Iterator[Batch]:  # noqa: ARG002 - the protocol passes it
        self.contexts.append(self.context)
        for number, batch in enumerate(self.batches):
            self.given.append(number)
            yield batch


def batch(*ids: int, bad: tuple[BadRecord, ...] = ()) -> Batch:
    return Batch(pa.RecordBatch.from_pylist([{"id": each} for each in ids], schema=SCHEMA), {}, bad)


@pytest.fixture
def source(db: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Connector]:
    monkeypatch.setitem(registry.CONNECTORS, "told", Told)
    monkeypatch.setattr(Told, "given", [])
    monkeypatch.setattr(Told, "contexts", [])
    workspace = Workspace.objects.create(slug="acme", name="Acme")
    with acting_as(Actor(system="test")):
        yield save_connector(workspace=workspace, connector=None, given=ConnectorInput("told", "told", {}))


def tell(monkeypatch: pytest.MonkeyPatch, *batches: Batch, schema: pa.Schema | None = SCHEMA) -> None:
    monkeypatch.setattr(Told, "batches", list(batches))
    monkeypatch.setattr(Told, "schema", schema)


def tried(source: Connector, **changes: Any) -> preview.StreamPreview:
    return preview.preview(**{"source": source, "stream": "rows", "mapping": MAPPING, **changes})


def test_no_more_is_read_than_the_sample_needs(source: Connector, monkeypatch: pytest.MonkeyPatch) -> None:
    tell(monkeypatch, batch(1, 2), batch(), batch(3, 4, 5), batch(6))
    assert [row.input["id"] for row in tried(source, limit=4).rows] == [1, 2, 3, 4]
    assert Told.given == [0, 1, 2]


def test_the_limits_are_those_of_somebody_who_waits(source: Connector, monkeypatch: pytest.MonkeyPatch) -> None:
    tell(monkeypatch, batch(1))
    tried(source)
    limits = Told.contexts[0].limits
    assert (limits.attempts, limits.read_timeout_seconds, limits.max_pages) == (1, 10, 20)


def test_a_slow_source_shows_what_came_in_time(source: Connector, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preview, "SAMPLE_SECONDS", -1.0)
    tell(monkeypatch, batch(1), batch(2))
    assert len(tried(source).rows) == 1


def test_a_source_that_gives_nothing_in_time_is_an_error(source: Connector, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preview, "SAMPLE_SECONDS", -1.0)
    tell(monkeypatch, batch(), batch())
    with pytest.raises(NeedsPerson, match="gave no record"):
        tried(source)


def test_what_did_not_decode_is_told(source: Connector, monkeypatch: pytest.MonkeyPatch) -> None:
    tell(monkeypatch, batch(1, bad=(BadRecord("{", "line 2 is not JSON"),)))
    assert tried(source).undecodable == ("line 2 is not JSON",)


def test_an_empty_stream_still_checks_the_mapping(source: Connector, monkeypatch: pytest.MonkeyPatch) -> None:
    tell(monkeypatch)
    wrong = {"fields": [{"target": "id", "expression": "idd", "type": "integer"}]}
    found = tried(source, mapping=wrong)
    assert (found.rows, found.problems[0].code) == ((), "unknown_column")


def test_a_stream_that_only_reading_can_tell_is_read(source: Connector, monkeypatch: pytest.MonkeyPatch) -> None:
    tell(monkeypatch, batch(1), schema=None)
    assert tried(source).columns == {"id": "integer"}
    tell(monkeypatch, schema=None)
    with pytest.raises(NeedsPerson, match="no record"):
        tried(source)


@pytest.mark.parametrize("limit", [0, 21])
def test_the_sample_has_a_size(source: Connector, limit: int) -> None:
    with pytest.raises(Invalid):
        tried(source, limit=limit)


def test_a_stream_is_read_to_its_end(source: Connector, monkeypatch: pytest.MonkeyPatch) -> None:
    tell(monkeypatch, batch(1), batch(2))
    assert len(tried(source).rows) == 2
