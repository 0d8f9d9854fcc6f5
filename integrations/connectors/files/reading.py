"""One stream, file after file: which files, in which order, from which mark."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from fnmatch import fnmatchcase

import pyarrow as pa

from integrations.connectors.base import Batch, Cut, Partition, ReadRequest, Stream
from integrations.connectors.base import Range as ValueRange
from integrations.connectors.files.content import Content
from integrations.connectors.files.cursor import Identity, Mark, Place, changed
from integrations.connectors.files.folder import Folder, os_error
from integrations.connectors.files.parquet import ParquetReader
from integrations.connectors.files.partition import Range, by_bytes, by_file, by_rows, files_of, range_of
from integrations.connectors.files.piece import Piece
from integrations.connectors.files.settings import FileFormat, FileSettings
from integrations.connectors.files.text import decoder_for, text_pieces, text_schema
from integrations.connectors.ranged import moment_of
from integrations.errors import STREAM_MISSING, NeedsPerson

# The cursor field of an incremental read: the file itself, not one of its columns.
FILE_CURSOR = "_file"
MOST_STREAMS = 1000
# Beyond these many files the schema of a stream is found when it is read.
MOST_INFERRED = 20


class FileReader:
    """Reads the streams of one folder."""

    def __init__(self, folder: Folder, settings: FileSettings) -> None:
        self._folder = folder
        self._settings = settings

    def streams(self) -> list[Stream]:
        """Return the pattern as a stream, where it is one, and each file as a stream."""
        names = self._folder.names(self._settings.pattern)
        found = [
            Stream(name, self.schema_of(name) if number < MOST_INFERRED else None, cursor_fields=(FILE_CURSOR,))
            for number, name in enumerate(names[:MOST_STREAMS])
        ]
        if found and is_pattern(self._settings.pattern):
            found.insert(0, Stream(self._settings.pattern, found[0].schema, cursor_fields=(FILE_CURSOR,)))
        return found

    def stream(self, name: str) -> Stream:
        """Return one stream with its schema."""
        files = self._names(name, Place.from_cursor(None))
        return Stream(name, self.schema_of(files[0]), cursor_fields=(FILE_CURSOR,))

    def schema_of(self, name: str) -> pa.Schema:
        """Return the schema of one file."""
        if self._settings.format is FileFormat.PARQUET:
            with closing(self._folder.open(name)) as raw:
                return ParquetReader(raw, name, Identity.of(os.fstat(raw.fileno()))).schema
        return text_schema(lambda: self._content(name), self._settings)

    def read(self, request: ReadRequest) -> Iterator[Batch]:
        """Give the records after the cursor. Incremental: of all files, only what was not read before."""
        part = range_of(request.partition)
        return self._read_files(request) if part is None else self._read_range(request, part)

    def partitions(self, request: ReadRequest, cut: Cut) -> list[Partition]:
        """Cut a stream by file or, where it is one file that can be read from its middle, that file."""
        names = self._names(request.stream, Place.from_cursor(None))
        if len(names) > 1:
            return by_file({name: self._identity(name).size for name in names}, cut)
        name = names[0]
        if self._settings.format is FileFormat.PARQUET:
            with closing(self._folder.open(name)) as raw:
                reader = ParquetReader(raw, name, Identity.of(os.fstat(raw.fileno())))
                return by_rows(name, reader.identity, reader.crc, reader.group_rows(), cut)
        if name.endswith(".gz") or not self._settings.is_splittable:
            return []
        return by_bytes(lambda: self._content(name), decoder_for(self._settings, request.schema), cut)

    def _read_range(self, request: ReadRequest, part: Range) -> Iterator[Batch]:
        """Give the records of a part of a file after the cursor."""
        identity = self._checked(part)
        mark = Place.from_cursor(request.cursor).marks.get(part.file)
        if mark and mark.is_ended:
            return
        start = replace(mark, identity=identity) if mark else Mark(identity, part.first, part.crc)
        is_in_rows = self._settings.format is FileFormat.PARQUET
        for piece in self._pieces(part.file, start, request, request.schema, part.stop):
            cursor = Place(part.file, {part.file: piece.mark}).cursor()
            share = part.share(piece.mark.offset if is_in_rows else piece.file_bytes)
            yield Batch(piece.records, cursor, piece.bad, piece.read_bytes, share)

    def _checked(self, part: Range) -> Identity:
        if self._settings.format is FileFormat.PARQUET:
            # The reader compares the end of the file with the CRC in the mark.
            return Identity(part.size, part.mtime_ns, 0)
        with closing(self._content(part.file)) as content:
            part.check(content)
            return content.identity

    def _read_files(self, request: ReadRequest) -> Iterator[Batch]:
        is_incremental = bool(request.cursor_field)
        place = Place.from_cursor(request.cursor)
        names = self._changed_within(self._names(request.stream, place, files_of(request.partition)), request.within)
        place = place.trimmed(names) if is_incremental else place
        ahead = names if is_incremental else [name for name in names if name >= place.file]
        sizes = {name: self._identity(name).size for name in ahead}
        whole, done = max(sum(sizes.values()), 1), 0
        schema = request.schema
        for name in ahead:
            mark = place.marks.get(name)
            if mark is None or not (mark.is_ended and mark.identity == self._identity(name)):
                for piece in self._pieces(name, mark, request, schema):
                    schema = schema or piece.records.schema
                    place = place.moved(name, piece.mark, remember=is_incremental)
                    share = min(1.0, (done + piece.file_bytes) / whole)
                    yield Batch(piece.records, place.cursor(), piece.bad, piece.read_bytes, share)
            done += sizes[name]

    def _pieces(
        self, name: str, mark: Mark | None, request: ReadRequest, schema: pa.Schema | None, stop: int | None = None
    ) -> Iterator[Piece]:
        if self._settings.format is not FileFormat.PARQUET:
            yield from text_pieces(lambda: self._content(name), self._settings, mark, request, schema, stop)
            return
        with closing(self._folder.open(name)) as raw:
            reader = ParquetReader(raw, name, Identity.of(os.fstat(raw.fileno())))
            yield from reader.pieces(mark, request, schema or reader.schema, stop)

    def _names(self, stream: str, place: Place, part: frozenset[str] | None = None) -> list[str]:
        """Return the files of a stream: the one of that name, or those that match it and are in this part."""
        names = self._folder.names(self._settings.pattern)
        if stream in names:
            names = [stream]
        else:
            names = [name for name in names if is_pattern(stream) and fnmatchcase(name, stream)]
        if part is not None:
            if gone := sorted(part - set(names)):
                raise changed(gone[0], "was moved away")
            names = [name for name in names if name in part]
        unfinished = [name for name, mark in place.marks.items() if not mark.is_ended and name not in names]
        if unfinished:
            raise changed(unfinished[0], "was moved away")
        # Where all files were read and moved away, there is nothing new, and that is fine.
        if not names and not place.marks:
            raise NeedsPerson(
                STREAM_MISSING, f"No file in the folder {self._folder.shown!r} is {stream!r}.", stream=stream
            )
        return names

    def _changed_within(self, names: list[str], within: ValueRange | None) -> list[str]:
        """The files that were changed in a range of time, where that is asked for."""
        if within is None or within.field != FILE_CURSOR:
            return names
        low, high = (moment_of(text) for text in (within.low, within.high))
        return [
            name
            for name in names
            if low <= datetime.fromtimestamp(self._identity(name).mtime_ns / 1_000_000_000, UTC) < high
        ]

    def _content(self, name: str) -> Content:
        return Content(self._folder.open(name), name, self._settings)

    def _identity(self, name: str) -> Identity:
        try:
            return Identity.of(os.stat(name, dir_fd=self._folder.handle, follow_symlinks=False))
        except OSError as error:
            raise os_error(error, f"The file {name!r}") from error


def is_pattern(stream: str) -> bool:
    """Say whether a stream's name stands for several files."""
    return any(mark in stream for mark in "*?[")
