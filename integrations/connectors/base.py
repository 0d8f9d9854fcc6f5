"""The protocol that every connector plugin speaks.

A plugin is one folder with a `Connector` class and one line in `registry.py`. It declares what it is (`spec`), says
whether it works (`check`), what it offers (`discover`, `describe`), and then reads batches or opens a writer. It speaks
Arrow, knows no database of ours, imports no Django, and raises only the errors of `integrations.errors`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol

import pyarrow as pa

from integrations.connectors.declared import CredentialKind, PluginSpec, Setting, SettingKind
from integrations.connectors.gate import OPEN_GATE, Gate
from integrations.domain.guarantee import Guarantee, WriteMode
from integrations.errors import RECORD_REFUSED

__all__ = [
    "BadRecord",
    "Batch",
    "CheckResult",
    "Commit",
    "Connector",
    "Content",
    "Context",
    "CredentialKind",
    "Cursor",
    "Cut",
    "Guarantee",
    "Limits",
    "Partition",
    "PluginSpec",
    "Range",
    "ReadRequest",
    "Refused",
    "RemoteWriter",
    "Setting",
    "SettingKind",
    "StoredCheckpoint",
    "Stream",
    "TransactionalWriter",
    "WriteMode",
    "WriteRequest",
    "Writer",
]

# What a connector needs to continue exactly where it stood: plain JSON values, the plugin's own keys.
Cursor = dict[str, Any]


@dataclass(frozen=True)
class Stream:
    """A named set of records. `schema` is None where only reading tells; `cursor_fields` order an incremental read."""

    name: str
    schema: pa.Schema | None = None
    primary_key: tuple[str, ...] = ()
    cursor_fields: tuple[str, ...] = ()
    estimated_records: int | None = None


@dataclass(frozen=True)
class CheckResult:
    """The verdict of a connection test, in words for a person."""

    ok: bool
    message: str
    what_to_do: str = ""
    code: str = ""
    detail: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Limits:
    """Bounds from the effective policy that a connector keeps: seconds, bytes after decoding, pages a run."""

    connect_timeout_seconds: float = 5.0
    read_timeout_seconds: float = 30.0
    max_answer_bytes: int = 64 * 1024 * 1024
    max_pages: int = 100_000
    attempts: int = 5
    backoff_initial_seconds: float = 0.5
    backoff_max_seconds: float = 60.0
    retry_after_max_seconds: float = 3600.0


@dataclass(frozen=True)
class BadRecord:
    """A piece of the source that could not become a row: the raw text (at most 64 KiB) and why.

    `origin` is the dead letter that it is, where it was read from those.
    """

    raw: str
    reason: str
    code: str = "answer_undecodable"
    origin: str = ""


@dataclass(frozen=True)
class Batch:
    """Records as they were read, and the cursor from which a reader continues *after* them.

    `records` may have 0 rows (a cursor can move without records). `bad` are records that did not decode.
    `read_bytes` counts bytes of the source. `progress` is the share of the source read so far, 0 to 1, where known.
    `origins` are the ids of the dead letters that the records are, one each, where they were read from those.
    """

    records: pa.RecordBatch
    cursor: Cursor
    bad: tuple[BadRecord, ...] = ()
    read_bytes: int = 0
    progress: float | None = None
    origins: tuple[str, ...] = ()


@dataclass(frozen=True)
class Partition:
    """One of the parts into which a stream was cut. `spec` is the plugin's own, plain JSON; the host only stores it.

    `key` tells the parts of a plan apart ("1", "2", ...); `label` says to a person what is in it.
    """

    key: str
    label: str
    spec: Mapping[str, Any]


@dataclass(frozen=True)
class Cut:
    """Into how many parts a stream may be cut at most, and how many bytes a part should hold at least, about."""

    most: int
    least_bytes: int = 16 * 1024 * 1024


@dataclass(frozen=True)
class Range:
    """A past range of a stream: `field` at least `low` and below `high`, both as the text that a person gave."""

    field: str
    low: str
    high: str


@dataclass(frozen=True)
class ReadRequest:
    """What to read: from the start where `cursor` is None, else exactly after it.

    With `cursor_field` the read is incremental: ordered by that field and `primary_key` as a tie-break, and the last
    cursor is where the next run starts. `schema` pins the columns and types of a run. With `partition` only that part
    is read, and `cursor` is a place in it. With `within` only records of that range are wanted; the plugin may give
    more, and its caller leaves them out.
    """

    stream: str
    cursor: Cursor | None = None
    cursor_field: str = ""
    primary_key: tuple[str, ...] = ()
    schema: pa.Schema | None = None
    batch_records: int = 50_000
    batch_bytes: int = 8 * 1024 * 1024
    partition: Partition | None = None
    within: Range | None = None


@dataclass(frozen=True)
class WriteRequest:
    """Where and how to write. `owner` names the checkpoint (the deployment's id); `fence` rises with every claim.

    `schema` is the mapped schema. `create` lets the writer create a missing table or file.
    """

    stream: str
    schema: pa.Schema
    mode: WriteMode
    key: tuple[str, ...]
    owner: str
    fence: int
    create: bool = True


@dataclass(frozen=True)
class StoredCheckpoint:
    """What a transactional destination remembers beside the records: batch number and cursor, under a fence."""

    run: str
    batch_number: int
    cursor: Cursor
    fence: int


@dataclass(frozen=True)
class Commit:
    """What is stored in one transaction with a batch: which run and batch, and the cursor after it."""

    run: str
    batch_number: int
    cursor: Cursor


@dataclass(frozen=True)
class Refused:
    """A record that the destination did not take: its row in the batch, and why.

    With the code RECORD_FAILED it may be there all the same.
    """

    row: int
    reason: str
    code: str = RECORD_REFUSED


@dataclass(frozen=True)
class Content:
    """A batch exactly as it will be sent, in parts (requests): their bytes, and how many records each part holds."""

    data: bytes
    sizes: tuple[int, ...]


class Writer(Protocol):
    """An open destination stream. One thread uses it. Opening it, at the latest `checkpoint()`, registers the fence.

    A *transactional* destination stores a batch and its checkpoint together; `TransactionalWriter` fills in the rest.
    Any other gives the batch's exact `Content` first (`compose`), which the caller stores, and then sends it: `deliver`
    yields, part after part from `first` on, the records of the part that were refused, their rows counted in the batch.
    The same content is sent byte for byte and under the same key, however often; `RemoteWriter` fills in the rest.

    `checkpoint()` is what the destination remembers of this owner, or None. `write` stores the batch and the commit
    whole or not at all; it raises `RecordsRefused` when a record's content is the cause, `StopRun(LEASE_LOST)` when the
    destination has seen a higher fence. `probe` does what `write` does and stores nothing: the runner finds refused
    records with it. `stage` may send the records of a later `write` ahead, from another thread than all other calls; it
    stores nothing and raises nothing: what it cannot do, `write` does. `finish` makes a last step visible (a file is
    renamed into place).
    """

    guarantee: Guarantee
    # The most records that one batch should have, or None where the reader decides.
    batch_records: int | None

    def checkpoint(self) -> StoredCheckpoint | None: ...

    def compose(self, records: pa.RecordBatch, commit: Commit) -> Content | None: ...

    def deliver(self, data: bytes, first: int = 0) -> Iterator[tuple[Refused, ...]]: ...

    def stage(self, records: pa.RecordBatch) -> None: ...

    def write(self, records: pa.RecordBatch, commit: Commit) -> None: ...

    def probe(self, records: pa.RecordBatch) -> None: ...

    def finish(self, commit: Commit) -> None: ...

    def abort(self) -> None: ...


class TransactionalWriter:
    """What a transactional writer has no need of: its content is not composed, so none is delivered."""

    guarantee = Guarantee.TRANSACTIONAL
    batch_records: int | None = None

    def compose(self, records: pa.RecordBatch, commit: Commit) -> Content | None:  # noqa: ARG002 - the protocol's
        return None

    def deliver(self, data: bytes, first: int = 0) -> Iterator[tuple[Refused, ...]]:  # noqa: ARG002 - the protocol's
        raise TypeError("a transactional destination composes no content")


class RemoteWriter:
    """What a writer without a transaction has no need of: it remembers nothing, and its batches are delivered."""

    def checkpoint(self) -> StoredCheckpoint | None:
        return None

    def stage(self, records: pa.RecordBatch) -> None:
        """Nothing can be sent ahead of its intent."""

    def write(self, records: pa.RecordBatch, commit: Commit) -> None:  # noqa: ARG002 - the protocol's
        raise TypeError("a remote destination delivers stored content")

    def probe(self, records: pa.RecordBatch) -> None:  # noqa: ARG002 - the protocol's
        raise TypeError("a remote destination cannot try without storing")

    def finish(self, commit: Commit) -> None:
        """Every batch is visible when it is delivered."""

    def abort(self) -> None:
        """Nothing is open."""


@dataclass(frozen=True)
class Context:
    """What the host gives a plugin: settings, the opened credential, limits, and the doors it may use.

    `credential` maps field names to values and is never logged. `egress` opens connections to checked addresses
    (`integrations.egress`); `file_root` is the only folder below which files may be touched, or "" for none. `gate` is
    asked before the other system is called, and told what became of it: it keeps what others share of that system.
    """

    settings: Mapping[str, Any]
    credential: Mapping[str, str] = field(default_factory=dict, repr=False)
    credential_kind: str = ""
    limits: Limits = field(default_factory=Limits)
    egress_allow: tuple[str, ...] = ()
    file_root: str = ""
    gate: Gate = field(default=OPEN_GATE, repr=False, compare=False)


class Connector(Protocol):
    """A configured plugin. Constructed for one check, discovery, slice or write, and closed after it.

    `describe` tells of one stream and asks the other system for no other; NeedsPerson(STREAM_MISSING) where there is
    none of that name. Its schema is None only where the stream holds no record that would tell.
    """

    spec: ClassVar[PluginSpec]

    def __init__(self, context: Context) -> None: ...

    def check(self) -> CheckResult: ...

    def discover(self) -> Sequence[Stream]: ...

    def describe(self, stream: str) -> Stream: ...

    def read(self, request: ReadRequest) -> Iterator[Batch]: ...

    def open_writer(self, request: WriteRequest) -> AbstractContextManager[Writer]: ...

    def close(self) -> None: ...
