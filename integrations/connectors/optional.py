"""What a connector may offer beside the protocol of `base`: ranges, partitions, telling a reset source, new columns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import pyarrow as pa

from integrations.connectors.base import Cut, Partition, ReadRequest


@runtime_checkable
class Ranged(Protocol):
    """It reads a range of a field's values, for a backfill.

    `range_fields` names the fields for which it can, or raises NeedsPerson(RANGE_UNSUPPORTED), which says why not.
    """

    def range_fields(self, stream: str) -> Sequence[str]: ...


@runtime_checkable
class Rewindable(Protocol):
    """It tells a source that was reset or cut from one without news.

    `is_behind` says of an incremental read that no record is left at the request's cursor or after it.
    """

    def is_behind(self, request: ReadRequest) -> bool: ...


@runtime_checkable
class Swept(Protocol):
    """Like `Rewindable`, of a source that would have to be read twice to ask before: it is told at the read's end.

    `found_behind` says that an incremental read to its end found no record at the request's cursor or after it.
    """

    @property
    def found_behind(self) -> bool: ...


@runtime_checkable
class Partitioned(Protocol):
    """It cuts a stream, so that several workers read it at once.

    The parts together give exactly the records of an unpartitioned full read, each once, whoever reads them and when.
    It gives no parts where it cannot cut the stream, or where that is not worth it.
    """

    def partitions(self, request: ReadRequest, cut: Cut) -> Sequence[Partition]: ...


@runtime_checkable
class Widenable(Protocol):
    """It gives a stream that it writes further columns.

    `add_columns` adds those of the schema that the stream lacks, whoever else does so at the same moment, and returns
    their names; a stream that is not there is left to the writer. NeedsPerson where the other system refuses.
    """

    def add_columns(self, stream: str, schema: pa.Schema) -> Sequence[str]: ...
