"""A hidden folder beside the files in which a run is kept until it is finished.

The state of a writer is one small JSON manifest: fence, checkpoint, and which part files belong to the file being
written. Each change writes the next generation, `manifest-0000000042`, whole into a temporary file and links it into
place: `link` fails where that generation exists, so of two workers exactly one moves the state on, and the highest
generation is the truth at every moment. No lock is held, so a worker that is stopped holds nobody up.
"""

from __future__ import annotations

import hashlib
import os
import uuid
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from typing import BinaryIO

import msgspec

from integrations.connectors.base import Commit, Cursor
from integrations.connectors.files.folder import FOLDER_FLAGS, os_error
from integrations.errors import LEASE_LOST, StopRun

PREFIX = "manifest-"
NEW_FILE_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC


@dataclass(frozen=True)
class Manifest:
    """What a destination remembers of one owner and stream.

    `segments` are runs of part files as (fence, count), in order; `shape` is what they have in common. `published`
    counts the files that this run has finished. `is_sealed`: the parts are being published, nothing may be added.
    """

    generation: int = 0
    fence: int = -1
    run: str = ""
    batch_number: int = 0
    cursor: Cursor = field(default_factory=dict)
    segments: tuple[tuple[int, int], ...] = ()
    shape: tuple[str, ...] = ()
    published: int = 0
    is_sealed: bool = False

    @property
    def parts(self) -> list[str]:
        """Return the names of the part files, in order."""
        names: list[str] = []
        for fence, count in self.segments:
            names += [part_name(len(names) + number, fence) for number in range(count)]
        return names

    def with_part(self, fence: int, commit: Commit, shape: tuple[str, ...]) -> Manifest:
        """Return the manifest with one more part and the commit that goes with it."""
        segments = self.segments
        if segments and segments[-1][0] == fence:
            segments = (*segments[:-1], (fence, segments[-1][1] + 1))
        else:
            segments = (*segments, (fence, 1))
        return replace(self.committed(commit), segments=segments, shape=shape)

    def committed(self, commit: Commit) -> Manifest:
        """Return the manifest with a new checkpoint."""
        published = self.published if commit.run == self.run else 0
        return replace(
            self, run=commit.run, batch_number=commit.batch_number, cursor=commit.cursor, published=published
        )


def part_name(index: int, fence: int) -> str:
    """Return the name of a part file; workers of different fences never share one."""
    return f"part-{index:08d}-{fence}"


class Staging:
    """The hidden folder of one owner and stream; close it."""

    def __init__(self, folder: int, owner: str, stream: str) -> None:
        name = ".signalbox-" + hashlib.sha256(f"{owner}\0{stream}".encode()).hexdigest()[:32]
        try:
            os.mkdir(name, 0o750, dir_fd=folder)
        except FileExistsError:
            pass
        except OSError as error:
            raise os_error(error, "The folder cannot be written") from error
        self.folder = folder
        self.handle = os.open(name, FOLDER_FLAGS, dir_fd=folder)

    def close(self) -> None:
        """Give the handle back."""
        os.close(self.handle)

    def load(self) -> Manifest:
        """Return the newest manifest, or an empty one."""
        while generations := self._generations():
            try:
                with self.open_for_read(f"{PREFIX}{generations[-1]:010d}") as stored:
                    return msgspec.json.decode(stored.read(), type=Manifest)
            except FileNotFoundError:
                continue  # a newer one has taken its place
        return Manifest()

    def store(self, manifest: Manifest) -> Manifest:
        """Store the next generation and return it, or raise `StopRun(LEASE_LOST)` where another worker was first."""
        following = replace(manifest, generation=manifest.generation + 1)
        name = f"{PREFIX}{following.generation:010d}"
        draft = f"draft-{uuid.uuid4().hex}"
        self.write_file(draft, lambda file: file.write(msgspec.json.encode(asdict(following))))
        try:
            os.link(draft, name, src_dir_fd=self.handle, dst_dir_fd=self.handle)
        except FileExistsError as error:
            raise lease_lost() from error
        finally:
            os.unlink(draft, dir_fd=self.handle)
        os.fsync(self.handle)
        self._drop_older(following.generation)
        return following

    def _drop_older(self, generation: int) -> None:
        generations = self._generations()
        if generations[-1] != generation:
            raise lease_lost()
        for older in generations[:-1]:
            self.remove(f"{PREFIX}{older:010d}")

    def write_file(self, name: str, fill: Callable[[BinaryIO], object]) -> None:
        """Write a file whole and make it durable; on an error nothing of it stays."""
        handle = os.open(name, NEW_FILE_FLAGS, 0o640, dir_fd=self.handle)
        try:
            with os.fdopen(handle, "wb") as file:
                os.fchmod(handle, 0o640)
                fill(file)
                file.flush()
                os.fsync(handle)
        except BaseException:
            self.remove(name)
            raise

    def open_for_read(self, name: str) -> BinaryIO:
        """Open one of the files in here."""
        return os.fdopen(os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=self.handle), "rb")

    def remove(self, name: str) -> None:
        """Remove a file if it is there."""
        with suppress(FileNotFoundError):
            os.unlink(name, dir_fd=self.handle)

    def clean(self, manifest: Manifest) -> None:
        """Remove what workers with an older fence left behind; call it once the own fence is stored."""
        kept = set(manifest.parts)
        for name in self._names():
            fence = name.rpartition("-")[2]
            if name.startswith(("part-", "whole-")) and name not in kept and int(fence) < manifest.fence:
                self.remove(name)

    def publish(self, name: str, final: str) -> None:
        """Move a finished file into the folder under its final name, durably."""
        os.fsync(self.handle)
        os.replace(name, final, src_dir_fd=self.handle, dst_dir_fd=self.folder)
        os.fsync(self.folder)

    def _generations(self) -> list[int]:
        return sorted(int(name.removeprefix(PREFIX)) for name in self._names() if name.startswith(PREFIX))

    def _names(self) -> list[str]:
        with os.scandir(self.handle) as entries:
            return [entry.name for entry in entries]


def lease_lost() -> StopRun:
    """Return the error of a worker whose run another has taken over."""
    return StopRun(LEASE_LOST, "Another worker writes this file now.")
