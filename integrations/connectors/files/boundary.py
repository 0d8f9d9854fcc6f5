"""Where a block of a file can be cut: after its last complete record."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pyarrow as pa
import pyarrow.compute as pc

from integrations.connectors.files.content import Content, unreadable

# A single record may be larger than a block, up to this; beyond it a quote was hardly ever meant to stay open so long.
LARGEST_RECORD = 64 * 1024 * 1024

# A CR at the very end may be half of a CR LF.
LINE_END = re.compile(rb"\r\n|\n|\r(?=[^\n])")


class LineCutter:
    """Cuts after the last line end: a record is a line (JSON Lines)."""

    def cut(self, data: bytes) -> int:
        """Return the length of the complete records at the start of `data`, 0 for none."""
        return data.rfind(b"\n") + 1


class CsvCutter:
    """Cuts after the last line end that is not inside quotes. `data` always starts at the start of a record."""

    def __init__(self, delimiter: str) -> None:
        mark = re.escape(delimiter.encode())
        self._opening = re.compile(rb"(?:\A|(?<=[\r\n" + mark + rb']))"')
        self._quoted = re.compile(rb'(?:[^"]|"")*+"')
        # Quotes stand around whole fields only, and the end may be inside one. RE2 decides this in one pass.
        unit = rf'(?:[^"\r\n{re.escape(delimiter)}]*|"(?:[^"]|"")*")'
        self._regular = rf'\A(?:{unit}[\r\n{re.escape(delimiter)}])*(?:{unit}|"(?:[^"]|"")*)\z'

    def cut(self, data: bytes) -> int:
        """Return the length of the complete records at the start of `data`, 0 for none."""
        if b'"' not in data:
            return _last_line_end(data)
        if self._has_odd_quotes(data):
            return self._scan(data)[0]
        return _cut_by_parity(data)

    def first(self, data: bytes) -> int:
        """Return the length of the first record, its line end included; 0 where `data` does not hold its end."""
        position = 0
        while line_end := LINE_END.search(data, position):
            opening = self._opening.search(data, position, line_end.start())
            if opening is None:
                return line_end.end()
            closing = self._quoted.match(data, opening.end())
            if closing is None:
                return 0
            position = closing.end()
        return 0

    def is_open(self, data: bytes) -> bool:
        """Say whether `data`, complete records or the rest of a file, ends inside quotes."""
        return data.count(b'"') % 2 == 1 and self._scan(data)[1]

    def _has_odd_quotes(self, data: bytes) -> bool:
        """Say whether a quote stands inside a field that is not quoted, where it is text and counts for nothing."""
        return not pc.match_substring_regex(pa.array([data], pa.binary()), self._regular)[0].as_py()

    def _scan(self, data: bytes) -> tuple[int, bool]:
        """Walk from quoted field to quoted field; return the last cut, and whether the end is inside quotes."""
        last, position = 0, 0
        while opening := self._opening.search(data, position):
            last = self._end(data, position, opening.start()) or last
            closing = self._quoted.match(data, opening.end())
            if closing is None:
                return last, True
            position = closing.end()
        return self._end(data, position, len(data)) or last, False

    @staticmethod
    def _end(data: bytes, start: int, stop: int) -> int:
        length = _last_line_end(data[start:stop])
        return start + length if length else 0


def _last_line_end(data: bytes) -> int:
    if (found := data.rfind(b"\n")) >= 0:
        return found + 1
    # Old Macintosh files end lines with CR alone; one at the very end may be half of a CR LF.
    return data[:-1].rfind(b"\r") + 1


def _cut_by_parity(data: bytes) -> int:
    """Return the last line end with an even number of quotes before it."""
    is_inside = data.count(b'"') % 2 == 1
    stop = len(data)
    while length := _last_line_end(data[:stop]):
        is_inside ^= data.count(b'"', length, stop) % 2 == 1
        if not is_inside:
            return length
        stop = length - 1
    return 0


def blocks(content: Content, cutter: LineCutter | CsvCutter, size: int, head: bytes) -> Iterator[tuple[bytes, bool]]:
    """Give the rest of a file as blocks of whole records, about `size` bytes each; the flag says that it is the last.

    `head` is what was read already. Raise `NeedsPerson(FILE_UNREADABLE)` for a record over the limit.
    """
    rest = head
    is_last = False
    while not is_last:
        wanted = max(size - len(rest), len(rest), 1)
        fresh = content.read(wanted)
        is_last = len(fresh) < wanted
        data = rest + fresh
        length = len(data) if is_last else cutter.cut(data)
        if length or is_last:
            yield data[:length], is_last
        rest = data[length:]
        if len(rest) > LARGEST_RECORD:
            raise unreadable(
                content.name, f"the record at byte {content.offset} is larger than 64 MB; perhaps a quote is not closed"
            )
