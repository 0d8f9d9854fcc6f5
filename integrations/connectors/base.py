"""The protocol that every connector plugin speaks.

A plugin is one folder with a `Connector` class and one line in `registry.py`. It declares what it is (`spec`), says
whether it works (`check`), what it offers (`discover`, `describe`), and then reads batches or opens a writer. It speaks
Arrow, knows no database of ours, imports no Django, and raises only the errors of `integrations.errors`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, ClassVar, Protocol

import pyarrow as pa

from integrations.domain.guarantee import Guarantee, WriteMode

__all__ = [
    "BadRecord",
    "Batch",
    "CheckResult",
    "Commit",
    "Connector",
    "Context",
    "CredentialKind",
    "Cursor",
    "Guarantee",
    "Limits",
    "PluginSpec",
    "ReadRequest",
    "Setting",
    "SettingKind",
    "StoredCheckpoint",
    "Stream",
    "WriteMode",
    "WriteRequest",
    "Writer",
]

# What a connector needs to continue exactly where it stood: plain JSON values, the plugin's own keys.
Cursor = dict[str, Any]


class SettingKind(StrEnum):
    """How a setting is entered and checked; the form is made from it."""

    TEXT = "text"
    INTEGER = "integer"
    BOOLEAN = "boolean"
    CHOICE = "choice"
    URL = "url"
    PATH = "path"
    JSON = "json"


@dataclass(frozen=True)
class Setting:
    """One declared setting of a connector; the form, the validation and the API schema follow from it.

    `shown_when` names another setting and the values of it for which this one matters, e.g. ("paging", ("page",)).
    `example` is shown in the empty field.
    """

    name: str
    label: str
    kind: SettingKind = SettingKind.TEXT
    required: bool = False
    default: Any = None
    help: str = ""
    choices: tuple[tuple[str, str], ...] = ()
    minimum: int | None = None
    maximum: int | None = None
    shown_when: tuple[str, tuple[str, ...]] | None = None
    example: Any = None


@dataclass(frozen=True)
class CredentialKind:
    """A kind of credential and its fields; a secret field is write-only everywhere."""

    key: str
    label: str
    fields: tuple[Setting, ...]
    secret_fields: frozenset[str]


@dataclass(frozen=True)
class PluginSpec:
    """What a plugin declares of itself."""

    key: str
    label: str
    description: str
    icon: str
    settings: tuple[Setting, ...]
    credential_kinds: tuple[str, ...] = ()
    credential_required: bool = False
    reads: bool = False
    writes: bool = False
    guarantee: Guarantee | None = None


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
    """A piece of the source that could not become a row: the raw text (at most 64 KiB) and why."""

    raw: str
    reason: str
    code: str = "answer_undecodable"


@dataclass(frozen=True)
class Batch:
    """Records as they were read, and the cursor from which a reader continues *after* them.

    `records` may have 0 rows (a cursor can move without records). `bad` are records that did not decode.
    `read_bytes` counts bytes of the source. `progress` is the share of the source read so far, 0 to 1, where known.
    """

    records: pa.RecordBatch
    cursor: Cursor
    bad: tuple[BadRecord, ...] = ()
    read_bytes: int = 0
    progress: float | None = None


@dataclass(frozen=True)
class ReadRequest:
    """What to read: from the start where `cursor` is None, else exactly after it.

    With `cursor_field` the read is incremental: ordered by that field and `primary_key` as a tie-break, and the last
    cursor is where the next run starts. `schema` pins the columns and types of a run.
    """

    stream: str
    cursor: Cursor | None = None
    cursor_field: str = ""
    primary_key: tuple[str, ...] = ()
    schema: pa.Schema | None = None
    batch_records: int = 50_000
    batch_bytes: int = 8 * 1024 * 1024


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


class Writer(Protocol):
    """An open destination stream. One thread uses it. Opening it, at the latest `checkpoint()`, registers the fence.

    `checkpoint()` is what the destination remembers of this owner, or None. `write` stores the batch and the commit
    whole or not at all; it raises `RecordsRefused` when a record's content is the cause, `StopRun(LEASE_LOST)` when the
    destination has seen a higher fence. `probe` does what `write` does and stores nothing: the runner finds refused
    records with it. `stage` may send the records of a later `write` ahead, from another thread than all other calls; it
    stores nothing and raises nothing: what it cannot do, `write` does. `finish` makes a last step visible (a file is
    renamed into place).
    """

    def checkpoint(self) -> StoredCheckpoint | None: ...

    def stage(self, records: pa.RecordBatch) -> None: ...

    def write(self, records: pa.RecordBatch, commit: Commit) -> None: ...

    def probe(self, records: pa.RecordBatch) -> None: ...

    def finish(self, commit: Commit) -> None: ...

    def abort(self) -> None: ...


@dataclass(frozen=True)
class Context:
    """What the host gives a plugin: settings, the opened credential, limits, and the doors it may use.

    `credential` maps field names to values and is never logged. `egress` opens connections to checked addresses
    (`integrations.egress`); `file_root` is the only folder below which files may be touched, or "" for none.
    """

    settings: Mapping[str, Any]
    credential: Mapping[str, str] = field(default_factory=dict, repr=False)
    credential_kind: str = ""
    limits: Limits = field(default_factory=Limits)
    egress_allow: tuple[str, ...] = ()
    file_root: str = ""


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
