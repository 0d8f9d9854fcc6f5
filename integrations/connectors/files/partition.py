"""Cuts a stream of files into parts: by file where there are several, else one file by bytes or by row groups.

A cut lies where a record begins, so each part is read as if it were a file of its own; what heads the file (column
names, a byte order mark) is read by every part. A part of a file is good for the file that was cut and for no other.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from itertools import pairwise

from integrations.connectors.base import Cut, Partition
from integrations.connectors.files.boundary import blocks
from integrations.connectors.files.content import Content, check_continues
from integrations.connectors.files.cursor import Identity, Mark, changed, foreign
from integrations.connectors.files.text import Decoder

STEP_BYTES = 8 * 1024 * 1024
MEGABYTE = 1024 * 1024


@dataclass(frozen=True)
class Range:
    """A part of one file: from a byte (for Parquet a row) up to another, and the CRC of what is in it.

    `size` and `mtime_ns` are those of the file when it was cut.
    """

    file: str
    size: int
    mtime_ns: int
    first: int
    stop: int
    crc: int

    def is_of(self, identity: Identity) -> bool:
        """Say whether the file is the one that was cut, as far as the file system tells; its copy elsewhere is."""
        return (identity.size, identity.mtime_ns) == (self.size, self.mtime_ns)

    def check(self, content: Content) -> None:
        """Raise where what is in this part is not what was cut. A file may have grown behind it."""
        if self.is_of(content.identity):
            return
        content.go_to(Mark(content.identity, self.first))
        crc, missing, end = 0, self.stop - self.first, b""
        while missing and (data := content.read(min(STEP_BYTES, missing))):
            crc, missing, end = zlib.crc32(data, crc), missing - len(data), data[-1:]
        if missing or crc != self.crc:
            raise changed(self.file, "was replaced or changed")
        if self.stop == self.size:
            check_continues(self.file, end, content.read(1))

    def share(self, place: int) -> float:
        """The share of the part before a place."""
        return min(1.0, max(0.0, (place - self.first) / max(1, self.stop - self.first)))


def files_of(partition: Partition | None) -> frozenset[str] | None:
    """The files of a part that is made of whole files, else None."""
    if partition is None or "files" not in partition.spec:
        return None
    return frozenset(partition.spec["files"])


def range_of(partition: Partition | None) -> Range | None:
    """The part of a file that a part is, or None for one that is made of whole files."""
    if partition is None or "files" in partition.spec:
        return None
    try:
        return Range(**partition.spec)
    except TypeError as error:
        raise foreign() from error


def parts_worth(total_bytes: int, cut: Cut) -> int:
    """Into how many parts so many bytes are cut; 1 for not at all."""
    return max(1, min(cut.most, total_bytes // max(1, cut.least_bytes)))


def by_file(sizes: Mapping[str, int], cut: Cut) -> list[Partition]:
    """Give whole files to the parts, the largest first, each to the part that has least."""
    count = min(parts_worth(sum(sizes.values()), cut), len(sizes))
    if count < 2:
        return []
    groups: list[tuple[int, list[str]]] = [(0, []) for _ in range(count)]
    for name in sorted(sizes, key=lambda name: (-sizes[name], name)):
        least = min(range(count), key=lambda number: groups[number][0])
        total, names = groups[least]
        groups[least] = (total + sizes[name], [*names, name])
    chosen = [sorted(names) for _, names in groups]
    return [Partition(str(n), _files_label(names), {"files": names}) for n, names in enumerate(chosen, start=1)]


def by_bytes(opener: Callable[[], Content], decoder: Decoder, cut: Cut) -> list[Partition]:
    """Cut one text file where records begin."""
    with closing(opener()) as head:
        first = decoder.start(head)
    length = first.identity.size - first.offset
    count = parts_worth(length, cut)
    if count < 2:
        return []
    with closing(opener()) as content:
        content.stop_at(first.identity.size)
        head_bytes = content.go_to(first)
        # Whether a line end is inside quotes can only be told from the start.
        step = max(1, min(STEP_BYTES, length // (4 * count)))
        pieces = (data for data, _ in blocks(content, decoder.cutter, step, head_bytes))
        return _partitions(list(_text_ranges(content.name, first, count, pieces)), "MB", MEGABYTE)


def by_rows(name: str, identity: Identity, crc: int, group_rows: Sequence[int], cut: Cut) -> list[Partition]:
    """Cut one Parquet file between row groups. Its CRC is that of the file's end, which describes all of it."""
    total = sum(group_rows)
    count = min(parts_worth(identity.size, cut), len(group_rows))
    places, reached = [0], 0
    for rows in group_rows:
        reached += rows
        if reached > places[-1] and reached >= total * len(places) // count:
            places.append(reached)
    ranges = [Range(name, identity.size, identity.mtime_ns, *pair, crc) for pair in pairwise(places)]
    return _partitions(ranges, "rows", 1)


def _text_ranges(name: str, first: Mark, count: int, pieces: Iterable[bytes]) -> Iterator[Range]:
    """Give ranges of about the same length, from pieces that hold whole records."""
    file, place, begin = first.identity, first.offset, first.offset
    crc, made = 0, 1
    for data in pieces:
        place, crc = place + len(data), zlib.crc32(data, crc)
        target = first.offset + (file.size - first.offset) * made // count
        if place > begin and place >= target:
            yield Range(name, file.size, file.mtime_ns, begin, place, crc)
            begin, crc, made = place, 0, made + 1


def _partitions(ranges: list[Range], unit: str, unit_size: int) -> list[Partition]:
    if len(ranges) < 2:
        return []
    return [
        Partition(str(n), f"{r.file}, {r.first // unit_size:,} to {r.stop // unit_size:,} {unit}", asdict(r))
        for n, r in enumerate(ranges, start=1)
    ]


def _files_label(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{len(names)} files, {names[0]} to {names[-1]}"
