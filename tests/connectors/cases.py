"""The cases of the connector conformance suite, and what its parts share."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar, cast

import pyarrow as pa
import pytest

from integrations.connectors.base import CheckResult, Connector, Context, Cursor, WriteMode
from integrations.errors import NeedsPerson

Rows = list[dict[str, Any]]


@dataclass(frozen=True)
class Source:
    """A stream with known records, in reading order, as `RecordBatch.to_pylist()` gives them.

    Choose `batch_records` and `batch_bytes` so small that the records come in several batches. `bad` is the number of
    pieces that must come as `BadRecord`. With `more`, which adds records to the stream and returns them, an incremental
    read (by `cursor_field`) is tested too. `schema` pins other types than the discovered ones. `cuts` says that the
    stream can be cut into partitions.
    """

    context: Context
    stream: str
    records: Rows
    batch_records: int = 7
    batch_bytes: int = 512
    bad: int = 0
    cursor_field: str = ""
    primary_key: tuple[str, ...] = ()
    more: Callable[[], Rows] | None = None
    schema: pa.Schema | None = None
    cuts: bool = False


def _sample_batches() -> tuple[pa.RecordBatch, ...]:
    fields: list[pa.Field[Any]] = [pa.field("id", pa.int64()), pa.field("name", pa.string())]
    schema = pa.schema([*fields, pa.field("amount", pa.float64())])
    rows = [{"id": n, "name": None if n % 5 == 0 else f"näme {n}", "amount": n / 4} for n in range(12)]
    return tuple(pa.RecordBatch.from_pylist(rows[at : at + 4], schema=schema) for at in (0, 4, 8))


@dataclass(frozen=True)
class Destination:
    """An empty destination stream: three or more batches to write, and `contents`, which reads back what is visible.

    `records` is what must be visible after all batches; None means every row of the batches. `refused` is a batch that
    the destination cannot store for its content, where there is such a thing. The context must survive pickling,
    because one test kills a real worker process.
    """

    context: Context
    stream: str
    contents: Callable[[], Rows]
    batches: tuple[pa.RecordBatch, ...] = field(default_factory=_sample_batches)
    mode: WriteMode = WriteMode.APPEND
    key: tuple[str, ...] = ()
    records: Rows | None = None
    refused: pa.RecordBatch | None = None


@dataclass(frozen=True)
class Broken:
    """A connector that cannot work: what `check` must call it, and `stream` where reading must fail the same way.

    `codes` are all codes that are right here. `checks_green` says that only reading can meet this fault.
    """

    context: Context
    codes: frozenset[str]
    stream: str = ""
    cursor: Cursor | None = None
    checks_green: bool = False


Case = TypeVar("Case", Source, Destination, Broken)
Factories = Mapping[str, Callable[[pytest.FixtureRequest], Case]]


@dataclass
class Made:
    """A connector as the host makes it, or the error that its constructor raised."""

    connector: Connector | None
    error: NeedsPerson | None = None

    def verdict(self) -> CheckResult:
        """Return what `check` says; a constructor's refusal counts as its verdict."""
        if self.connector is None:
            assert self.error is not None
            return CheckResult(False, self.error.message, self.error.what_to_do, self.error.code)
        try:
            return self.connector.check()
        finally:
            self.connector.close()


def make(plugin: type[Connector], context: Context) -> Made:
    """Construct a connector, or keep the `NeedsPerson` that its constructor raises."""
    try:
        return Made(plugin(context))
    except NeedsPerson as error:
        return Made(None, error)


def no_secret_in(context: Context, *texts: str) -> None:
    """Fail when a credential value of six or more characters stands in one of the texts."""
    secrets = [value for value in context.credential.values() if len(value) >= 6]
    assert [secret for secret in secrets for text in texts if secret in text] == []


class Base:
    """What the parts of the suite share; `conformance` fills it in."""

    plugin: type[Connector]
    factories: Mapping[str, Mapping[str, Callable[[pytest.FixtureRequest], Any]]]

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """Run each test once for each labelled case of the kind that it asks for."""
        for kind, made in self.factories.items():
            if kind in metafunc.fixturenames:
                metafunc.parametrize(kind, list(made.values()), ids=list(made), indirect=True)

    @pytest.fixture
    def source(self, request: pytest.FixtureRequest) -> Source:
        return cast(Source, request.param(request))

    @pytest.fixture
    def destination(self, request: pytest.FixtureRequest) -> Destination:
        return cast(Destination, request.param(request))

    @pytest.fixture
    def broken(self, request: pytest.FixtureRequest) -> Broken:
        return cast(Broken, request.param(request))
