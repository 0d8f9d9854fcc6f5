"""The bytes of a file as a reader sees them: decompressed, and in an encoding that can be split at a line end."""

from __future__ import annotations

import codecs
import gzip
import os
import zlib
from typing import BinaryIO, Protocol, cast

from integrations.connectors.files.cursor import Identity, Mark, changed
from integrations.connectors.files.settings import FileSettings
from integrations.errors import FILE_UNREADABLE, NeedsPerson

STEP_BYTES = 4 * 1024 * 1024


class Bytes(Protocol):
    """What is needed of a stream of bytes."""

    def read(self, size: int = -1, /) -> bytes: ...


class Transcoded:
    """A stream in an encoding that cannot be split safely, as UTF-8."""

    def __init__(self, inner: Bytes, encoding: str) -> None:
        self._inner = inner
        self._decoder = codecs.getincrementaldecoder(encoding)()

    def read(self, size: int = -1, /) -> bytes:
        """Return about `size` bytes of UTF-8, and b"" at the end only."""
        while True:
            chunk = self._inner.read(size)
            text = self._decoder.decode(chunk, final=not chunk)
            if text or not chunk:
                return text.encode()


class Content:
    """An open file: reads on from `offset`, keeps the CRC of all before it, and knows the share that was read."""

    def __init__(self, raw: BinaryIO, name: str, settings: FileSettings) -> None:
        self.name = name
        self.identity = Identity.of(os.fstat(raw.fileno()))
        self.encoding = settings.encoding if settings.is_splittable else "utf-8"
        self.offset = 0
        self.crc = 0
        self._raw = raw
        self._last_byte = b"\n"
        self._stop: int | None = None
        stream: Bytes = cast(Bytes, gzip.GzipFile(fileobj=raw)) if name.endswith(".gz") else cast(Bytes, raw)
        self._stream = stream if settings.is_splittable else Transcoded(stream, settings.encoding)
        self._is_seekable = self._stream is raw

    def close(self) -> None:
        """Close the file."""
        self._raw.close()

    @property
    def read_bytes(self) -> int:
        """Return how many bytes of the stored file were read so far."""
        return self._raw.tell()

    def stop_at(self, place: int) -> None:
        """Let the file end at this byte. Only for one that can be read from any byte: neither packed nor transcoded."""
        self._stop = place

    def read(self, size: int) -> bytes:
        """Return exactly `size` bytes, fewer at the end only; raise `NeedsPerson` where they cannot be decoded."""
        parts: list[bytes] = []
        missing = size if self._stop is None else min(size, self._stop - self._raw.tell())
        while missing > 0 and (part := self._read_some(missing)):
            parts.append(part)
            missing -= len(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def passed(self, data: bytes) -> None:
        """Count bytes as read: they are before the offset from now on."""
        self.offset += len(data)
        self.crc = zlib.crc32(data, self.crc)

    def go_to(self, mark: Mark) -> bytes:
        """Move to a mark of this file; return bytes that were read beyond it. Raise where the file was changed."""
        if self._is_seekable and mark.identity == self.identity:
            self._raw.seek(mark.offset)
            self.offset, self.crc = mark.offset, mark.crc
            return b""
        beyond = self._skip(mark.offset)
        if self.crc != mark.crc:
            raise changed(self.name, "was replaced or changed")
        following = beyond or self.read(1)
        if mark.is_ended:
            check_continues(self.name, self._last_byte, following)
        return following

    def _skip(self, offset: int) -> bytes:
        while self.offset < offset:
            data = self._read_some(min(STEP_BYTES, offset - self.offset))
            if not data:
                raise changed(self.name, "became shorter")
            inside = data[: offset - self.offset]
            self.passed(inside)
            self._last_byte = inside[-1:]
            if len(inside) < len(data):
                return data[len(inside) :]
        return b""

    def _read_some(self, size: int) -> bytes:
        try:
            return self._stream.read(size)
        except UnicodeError as error:
            raise unreadable(self.name, f"it is not in the declared encoding ({error})") from error
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise unreadable(self.name, f"its compression is damaged or it is not complete ({error})") from error
        except OSError as error:
            raise unreadable(self.name, os.strerror(error.errno or 5)) from error


def check_continues(name: str, end: bytes, following: bytes) -> None:
    """Raise where the last record of a file was read before it was complete: the file has grown in the middle of it."""
    if end[-1:] not in {b"", b"\r", b"\n"} and following[:1] not in {b"", b"\r", b"\n"}:
        raise changed(name, "had an incomplete last record, which was completed")


def unreadable(name: str, why: str) -> NeedsPerson:
    """Return the error for a file that is not what the settings declare."""
    return NeedsPerson(FILE_UNREADABLE, f"The file {name!r} cannot be read: {why}.", file=name)


def utf8(data: bytes, content: Content) -> bytes:
    """Return the data as UTF-8, or raise `NeedsPerson(FILE_UNREADABLE)` that names the first wrong byte."""
    if data.isascii():
        return data
    try:
        text = data.decode(content.encoding)
    except UnicodeDecodeError as error:
        where = content.offset + error.start
        raise unreadable(content.name, f"byte {where} is not valid {content.encoding}") from error
    return data if content.encoding == "utf-8" else text.encode()
