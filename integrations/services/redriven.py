"""The dead letters of a redrive run, read as a connector reads: batches by letter id, with a cursor."""

from __future__ import annotations

import binascii
import threading
import time
from base64 import b64decode
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Any, ClassVar

import msgspec
import pyarrow as pa
from django.db import connection
from django.db.models import Q, QuerySet

from integrations.connectors.base import (
    BadRecord,
    Batch,
    CheckResult,
    PluginSpec,
    ReadRequest,
    Stream,
    Writer,
    WriteRequest,
)
from integrations.domain.lifecycle import DeadLetterState
from integrations.errors import RECORD_REFUSED, STREAM_MISSING, NeedsPerson
from integrations.models import DeadLetter, Run
from integrations.pipeline.batch import excerpt
from integrations.services.dead_letters import record_of
from integrations.services.policies import effective_policy
from integrations.services.policy_actions import note_in_run

BATCH_LETTERS = 1_000
RATE = "redrive.records_per_second"
_NOTE_SECONDS = 10.0


class RedrivenRecords:
    """A source over the letters that a redrive run has taken. Its stream is the source stream of the run's version."""

    spec: ClassVar[PluginSpec] = PluginSpec(
        "redrive", "Dead letters", "The letters of a redrive run", "inbox", (), reads=True
    )

    def __init__(self, run: Run) -> None:
        self._run = run
        self._made_in = threading.get_ident()

    def check(self) -> CheckResult:
        return CheckResult(ok=True, message="Dead letters are read from the database.")

    def discover(self) -> Sequence[Stream]:
        return [self.describe(self._run.version.source_stream)]

    def describe(self, stream: str) -> Stream:
        """The stream with the schema of the newest run that set one of these letters aside."""
        return Stream(stream, schema=schema_of(DeadLetter.objects.filter(redrive=self._run)))

    def read(self, request: ReadRequest) -> Iterator[Batch]:
        """Yield the letters after `request.cursor["after"]`, in batches, no faster than the policy allows."""
        if request.schema is None:
            raise ValueError("a redrive reads with the schema that discovery found")
        try:
            yield from self._batches(request, request.schema)
        finally:
            # A reading thread has a connection of its own, which would outlive it.
            if threading.get_ident() != self._made_in:
                connection.close()

    def _batches(self, request: ReadRequest, schema: pa.Schema) -> Iterator[Batch]:
        after = request.cursor["after"] if request.cursor else None
        taken = DeadLetter.objects.filter(redrive=self._run)
        total, done = taken.count(), taken.exclude(state=DeadLetterState.REDRIVING).count()
        rate = self._records_per_second()
        while letters := self._next(after, min(BATCH_LETTERS, rate, request.batch_records)):
            began = time.monotonic()
            done += len(letters)
            batch = _batch_of(letters, schema, progress=min(1.0, done / total))
            after = batch.cursor["after"]
            yield batch
            seconds = began + len(letters) / rate - time.monotonic()
            if seconds > 0:
                note_in_run(self._run, RATE, f"kept a redrive to {rate:,} a second", every_seconds=_NOTE_SECONDS)
                time.sleep(seconds)

    def open_writer(self, _: WriteRequest) -> AbstractContextManager[Writer]:
        raise NeedsPerson(STREAM_MISSING, "Dead letters cannot be written to.")

    def close(self) -> None:
        return None

    def _records_per_second(self) -> int:
        """How fast the policy lets letters be sent again."""
        version, integration = self._run.version, self._run.deployment.integration
        # Nothing is read from the source: the destination's policies say how fast it may be sent to.
        policy = effective_policy(workspace=self._run.workspace, connector=version.destination, integration=integration)
        return int(policy.value(RATE))

    def _next(self, after: str | None, most: int) -> list[DeadLetter]:
        letters = DeadLetter.objects.filter(redrive=self._run, state=DeadLetterState.REDRIVING)
        if after:
            letters = letters.filter(id__gt=after)
        return list(letters.order_by("id")[:most])


def _batch_of(letters: Sequence[DeadLetter], schema: pa.Schema, *, progress: float) -> Batch:
    """The letters' records, and of each the letter that it is, so that what is set aside again can name it."""
    ids = [str(letter.pk) for letter in letters]
    records, bad = rows_to_batch([record_of(letter) for letter in letters], schema, ids)
    unfit = {each.origin for each in bad}
    origins = tuple(letter for letter in ids if letter not in unfit)
    return Batch(records, {"after": ids[-1]}, bad, progress=progress, origins=origins)


def schema_of(letters: QuerySet[DeadLetter]) -> pa.Schema:
    """The schema of the newest run that set one of these letters aside."""
    runs = Run.objects.filter(Q(pk__in=letters.values("run")) | Q(pk__in=letters.values("last_run")))
    stored = runs.exclude(schema="").order_by("-id").values_list("schema", flat=True).first()
    if stored is None:
        raise NeedsPerson(STREAM_MISSING, "The run that set these records aside left no schema.")
    return decode_schema(stored)


def decode_schema(stored: str) -> pa.Schema:
    """A run's pinned schema, from the text in its row."""
    return pa.ipc.read_schema(pa.py_buffer(b64decode(stored)))


def rows_to_batch(
    rows: Sequence[dict[str, Any]], schema: pa.Schema, letters: Sequence[str] = ()
) -> tuple[pa.RecordBatch, tuple[BadRecord, ...]]:
    """Rows of JSON values as one record batch of `schema`; a row that does not fit becomes a bad record.

    `letters` are the ids of the dead letters that the rows are, where they are some.
    """
    good: list[dict[str, Any]] = []
    bad: list[BadRecord] = []
    for place, row in enumerate(rows):
        try:
            good.append(_in_types(row, schema))
        except ValueError as error:
            # As JSON, so that whoever corrects it by hand finds its fields filled in.
            raw = msgspec.json.encode(row).decode()[:65_536]
            bad.append(BadRecord(raw, str(error)[:300], RECORD_REFUSED, letters[place] if letters else ""))
    return pa.RecordBatch.from_pylist(good, schema=schema), tuple(bad)


def _in_types(row: dict[str, Any], schema: pa.Schema) -> dict[str, Any]:
    """Payloads are JSON: dates, decimals and numbers that became text are cast to the column's type."""
    return {field.name: _in_type(row.get(field.name), field) for field in schema}


def _in_type(value: Any, field: pa.Field[Any]) -> Any:
    """The value as the column holds it; ValueError, in words for a person, where it cannot."""
    is_text = pa.types.is_string(field.type) or pa.types.is_large_string(field.type)
    if is_text and isinstance(value, dict | list):
        return msgspec.json.encode(value).decode()
    try:
        if isinstance(value, str) and _is_bytes(field.type):
            value = b64decode(value, validate=True)
        elif isinstance(value, str) and not is_text:
            return pa.array([value]).cast(field.type)[0].as_py()
        return pa.scalar(value, field.type).as_py()
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError, OverflowError, binascii.Error) as error:
        raise ValueError(f"{field.name}: {excerpt(value)} is no {field.type}.") from error


def _is_bytes(kind: pa.DataType) -> bool:
    """Payloads hold bytes as base64."""
    return pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_fixed_size_binary(kind)
