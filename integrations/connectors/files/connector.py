"""The files connector: CSV, JSON Lines and Parquet below the folder that the instance allows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from typing import ClassVar

from accounts.errors import SignalboxError
from integrations.connectors.base import (
    Batch,
    CheckResult,
    Context,
    Cut,
    Guarantee,
    Partition,
    PluginSpec,
    ReadRequest,
    Stream,
    Writer,
    WriteRequest,
)
from integrations.connectors.files.folder import Folder
from integrations.connectors.files.reading import FILE_CURSOR, FileReader
from integrations.connectors.files.settings import SETTINGS, parse_settings
from integrations.connectors.files.writer import open_writer
from integrations.connectors.ranged import can_be_told
from integrations.domain.words import counted


class FilesConnector:
    """Reads files as streams and writes each run as one new file.

    Transactional: a batch becomes part of a file by the one atomic step that also stores its checkpoint (`staging`).
    """

    spec: ClassVar[PluginSpec] = PluginSpec(
        key="files",
        label="Files",
        description="CSV, JSON Lines and Parquet files in a folder of this instance.",
        icon="folder",
        settings=SETTINGS,
        reads=True,
        writes=True,
        guarantee=Guarantee.TRANSACTIONAL,
    )

    def __init__(self, context: Context) -> None:
        self._settings = parse_settings(context.settings)
        self._folder = Folder(context.file_root, self._settings.path)
        self._reader = FileReader(self._folder, self._settings)

    def check(self) -> CheckResult:
        """Say whether the folder can be listed and the first file is what the settings declare."""
        try:
            names = self._folder.names(self._settings.pattern)
            if names:
                self._reader.schema_of(names[0])
        except SignalboxError as error:
            return CheckResult(False, error.message, error.what_to_do, error.code, error.detail)
        if not names:
            return CheckResult(True, "The folder is there; no file matches yet.", detail={"files": 0})
        return CheckResult(
            True, f"{counted(len(names), 'file')} found, and {names[0]!r} is readable.", detail={"files": len(names)}
        )

    def discover(self) -> Sequence[Stream]:
        """Return each file, and the pattern as a stream of all of them."""
        return self._reader.streams()

    def describe(self, stream: str) -> Stream:
        """Return one file, or the files of a pattern, with the schema of the first."""
        return self._reader.stream(stream)

    def read(self, request: ReadRequest) -> Iterator[Batch]:
        """Give the records after the cursor; see `integrations.connectors.base`."""
        return self._reader.read(request)

    def partitions(self, request: ReadRequest, cut: Cut) -> Sequence[Partition]:
        """Cut a stream into whole files, or one file where records begin."""
        return self._reader.partitions(request, cut)

    def range_fields(self, stream: str) -> Sequence[str]:
        """Return the time at which a file was changed, and the columns that have an order."""
        schema = self._reader.stream(stream).schema
        return (FILE_CURSOR, *(field.name for field in schema or () if can_be_told(field.type)))

    def open_writer(self, request: WriteRequest) -> AbstractContextManager[Writer]:
        """Open a writer of new files; only `append` is possible."""
        return open_writer(self._folder, self._settings, request)

    def close(self) -> None:
        """Give the folder's handle back."""
        self._folder.close()
