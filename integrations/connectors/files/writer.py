"""Writes a run as one new file that appears whole when the run is finished.

How this is transactional: a batch is first a part file that nothing refers to; storing the next manifest makes it
part of the run and moves the checkpoint in one atomic step (`staging`). A worker that dies before that step leaves a
part that is removed later, one that dies after it leaves a batch that the next worker knows of. Opening a writer
stores its fence the same way, so from then on every step of a worker with a lower fence fails.

The file is called after the stream and the run, `orders-<run>.csv`; what was finished is never changed, so when more
is written to a finished run, or the columns change, a further file `orders-<run>-2.csv` is begun. A run that wrote no
record makes no file. What a failed run had stored is published when the next run begins: like rows in a table, it
stays.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace

import pyarrow as pa

from integrations.connectors.base import Commit, StoredCheckpoint, TransactionalWriter, WriteMode, Writer, WriteRequest
from integrations.connectors.files.encode import assemble, encode_part
from integrations.connectors.files.folder import Folder, check_name, os_error
from integrations.connectors.files.settings import FileFormat, FileSettings
from integrations.connectors.files.staging import Manifest, Staging, lease_lost, part_name
from integrations.errors import SETTINGS_INVALID, NeedsPerson, StopRun

SAFE_RUN = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")


@contextmanager
def open_writer(folder: Folder, settings: FileSettings, request: WriteRequest) -> Iterator[Writer]:
    """Open the destination of one owner, under its fence; raise `StopRun(LEASE_LOST)` where a higher one was seen."""
    if request.mode is not WriteMode.APPEND:
        raise NeedsPerson(
            SETTINGS_INVALID,
            "A file cannot replace single records.",
            what_to_do="Choose the write mode append: each run makes a new file.",
        )
    if not request.create:
        raise NeedsPerson(SETTINGS_INVALID, "Each run makes a new file, and this integration may not create one.")
    check_name(final_name(request.stream, "run", 1))
    with closing(Staging(folder.handle, request.owner, request.stream)) as staging:
        yield FileWriter(staging, settings, request)


class FileWriter(TransactionalWriter):
    """An open destination file; one thread uses it."""

    def __init__(self, staging: Staging, settings: FileSettings, request: WriteRequest) -> None:
        self._staging = staging
        self._settings = settings
        self._stream = request.stream
        self._fence = request.fence
        self._compress = request.stream.endswith(".gz") and settings.format is not FileFormat.PARQUET
        self._shape = self._shape_of(request.schema)
        self._manifest = self._take_over()

    def checkpoint(self) -> StoredCheckpoint | None:
        """Return what was stored last for this owner, or None."""
        one = self._manifest
        return StoredCheckpoint(one.run, one.batch_number, one.cursor, one.fence) if one.run else None

    def stage(self, records: pa.RecordBatch) -> None:
        """Nothing can be done ahead: there is one writer."""

    def write(self, records: pa.RecordBatch, commit: Commit) -> None:
        """Store a batch with its checkpoint, whole or not at all."""
        _check_run(commit)
        shape = self._shape_of(records.schema)
        if self._manifest.is_sealed or self._manifest.run != commit.run or self._manifest.shape != shape:
            self._publish()
        if not records.num_rows:
            self._store(self._manifest.committed(commit))
            return
        index = len(self._manifest.parts)
        data = self._encoded(records, is_first=index == 0)
        try:
            self._staging.write_file(part_name(index, self._fence), lambda file: file.write(data))
        except OSError as error:
            raise os_error(error, f"The file {self._stream!r} cannot be written") from error
        self._store(self._manifest.with_part(self._fence, commit, shape))

    def probe(self, records: pa.RecordBatch) -> None:
        """Raise what `write` would raise for the content of these records; nothing is stored."""
        self._encoded(records, is_first=False)

    def _encoded(self, records: pa.RecordBatch, *, is_first: bool) -> bytes:
        return encode_part(records, self._settings, is_first=is_first, compress=self._compress)

    def finish(self, commit: Commit) -> None:
        """Make the run's file visible; doing it again changes nothing."""
        _check_run(commit)
        self._publish()
        done = self._manifest.committed(commit)
        if done != self._manifest:
            self._store(done)

    def abort(self) -> None:
        """Leave what is stored for the next worker; nothing else is there."""

    def _take_over(self) -> Manifest:
        while True:
            stored = self._staging.load()
            if stored.fence > self._fence:
                raise lease_lost()
            if stored.fence == self._fence:
                return stored
            try:
                mine = self._stored(replace(stored, fence=self._fence))
            except StopRun:
                continue  # the worker before took one more step, or one with a higher fence came: look again
            self._staging.clean(mine)
            return mine

    def _store(self, manifest: Manifest) -> None:
        self._manifest = self._stored(manifest)

    def _stored(self, manifest: Manifest) -> Manifest:
        try:
            return self._staging.store(manifest)
        except OSError as error:
            raise os_error(error, "The checkpoint beside the file cannot be written") from error

    def _publish(self) -> None:
        """Make the stored parts one file. Sealed, they never change: whoever publishes them makes the same file."""
        parts = self._manifest.parts
        if not parts:
            return
        if not self._manifest.is_sealed:
            self._store(replace(self._manifest, is_sealed=True))
        whole = f"whole-{self._fence}"
        try:
            opened = (self._staging.open_for_read(name) for name in parts)
            self._staging.write_file(whole, lambda file: assemble(opened, file, self._settings.format))
            self._staging.publish(whole, self._final_name())
        except FileNotFoundError as error:
            raise lease_lost() from error  # the successor has published and removed them
        except OSError as error:
            raise os_error(error, f"The file {self._stream!r} cannot be written") from error
        published = self._manifest.published + 1
        self._store(replace(self._manifest, segments=(), shape=(), is_sealed=False, published=published))
        for name in parts:
            self._staging.remove(name)

    def _final_name(self) -> str:
        return final_name(self._stream, self._manifest.run, self._manifest.published + 1)

    def _shape_of(self, schema: pa.Schema) -> tuple[str, ...]:
        one = self._settings
        return (one.format.value, one.delimiter, one.encoding, *(f"{field.name}:{field.type}" for field in schema))


def final_name(stream: str, run: str, number: int) -> str:
    """Return the name of a run's file: `orders.csv.gz` becomes `orders-<run>.csv.gz`."""
    check_name(stream)
    base, dot, compressed = stream.rpartition(".gz") if stream.endswith(".gz") else (stream, "", "")
    stem, point, ending = base.rpartition(".")
    further = f"-{number}" if number > 1 else ""
    return f"{stem or ending}-{run}{further}{point if stem else ''}{ending if stem else ''}{dot}{compressed}"


def _check_run(commit: Commit) -> None:
    if not SAFE_RUN.fullmatch(commit.run):
        raise NeedsPerson(SETTINGS_INVALID, "The run's id cannot be part of a file name.", run=commit.run[:64])
