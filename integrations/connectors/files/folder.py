"""A folder below the allowed root, and its files: opened step by step, so that no path can leave it.

Each step of a path is opened relative to the folder before it and without following links, which also holds when the
tree is changed at the same moment. Names that start with a dot are never offered: they are the writer's own working
files.
"""

from __future__ import annotations

import errno
import os
import stat
from fnmatch import fnmatchcase
from typing import BinaryIO

from accounts.errors import SignalboxError
from integrations.errors import (
    DESTINATION_FULL,
    FILE_OUTSIDE_ROOT,
    FILE_UNREADABLE,
    STREAM_MISSING,
    NeedsPerson,
    RetryLater,
)

FOLDER_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# Without O_NONBLOCK the opening of a named pipe would wait for a writer for ever.
FILE_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


def outside(shown: str, why: str) -> NeedsPerson:
    """Return the error for a path or name that is not held by the allowed folder."""
    return NeedsPerson(FILE_OUTSIDE_ROOT, f"The path {shown!r} cannot be used: {why}.", path=shown)


def check_name(name: str) -> str:
    """Return a plain file name, or raise for anything that is a path, hidden or not a name at all."""
    if not name or name in {".", ".."} or any(mark in name for mark in "/\\\0"):
        raise outside(name, "a stream is the plain name of a file")
    if name.startswith("."):
        raise outside(name, "hidden files are not offered")
    if len(os.fsencode(name)) > 255:
        raise outside(name[:64], "the name is longer than 255 bytes")
    return name


def os_error(error: OSError, what: str) -> SignalboxError:
    """Say an error of the operating system in the words of a run."""
    if error.errno in FULL:
        return RetryLater(DESTINATION_FULL, f"{what}: no space is left.")
    if error.errno in {errno.ELOOP, errno.EMLINK}:
        return NeedsPerson(FILE_OUTSIDE_ROOT, f"{what}: it is a link, and links are not followed.")
    if error.errno in {errno.ENOENT, errno.ENOTDIR}:
        return NeedsPerson(STREAM_MISSING, f"{what}: it does not exist.")
    return NeedsPerson(FILE_UNREADABLE, f"{what}: {os.strerror(error.errno or errno.EIO)}.")


class Folder:
    """An open handle of the folder that the settings name; close it."""

    def __init__(self, root: str, path: str) -> None:
        self.shown = path or "."
        self._handle = _open_below(root, _steps_of(path), self.shown)

    @property
    def handle(self) -> int:
        """Return the descriptor; raise once it is closed, because -1 would mean the working directory to some calls."""
        if self._handle < 0:
            raise ValueError("the folder is closed")
        return self._handle

    def close(self) -> None:
        """Give the handle back."""
        if self._handle >= 0:
            os.close(self._handle)
            self._handle = -1

    def names(self, pattern: str) -> list[str]:
        """Return the names of the regular files that match, in name order."""
        with os.scandir(self.handle) as entries:
            found = [
                entry.name
                for entry in entries
                if not entry.name.startswith(".")
                and fnmatchcase(entry.name, pattern)
                and entry.is_file(follow_symlinks=False)
            ]
        return sorted(name for name in found if "\\" not in name)

    def open(self, name: str) -> BinaryIO:
        """Open a regular file for reading, unbuffered; raise `NeedsPerson` for a link, a pipe or a missing file."""
        what = f"The file {name!r}"
        try:
            handle = os.open(check_name(name), FILE_FLAGS, dir_fd=self.handle)
        except OSError as error:
            raise os_error(error, what) from error
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            os.close(handle)
            raise NeedsPerson(FILE_UNREADABLE, f"{what} is not a regular file.")
        return os.fdopen(handle, "rb", buffering=0)


def _steps_of(path: str) -> list[str]:
    if "\0" in path or "\\" in path:
        raise outside(path.replace("\0", "?"), "it holds a character that no folder may have")
    if path.startswith("/"):
        raise outside(path, "it must be relative to the allowed folder")
    steps = [step for step in path.split("/") if step not in {"", "."}]
    if ".." in steps:
        raise outside(path, "it must not lead upwards")
    return steps


def _open_below(root: str, steps: list[str], shown: str) -> int:
    if not root:
        raise NeedsPerson(
            FILE_OUTSIDE_ROOT,
            "This instance allows no folder for files.",
            what_to_do="Ask the admin of the instance to set SIGNALBOX_FILE_ROOT.",
        )
    try:
        handle = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise os_error(error, "The folder that this instance allows") from error
    for step in steps:
        outer = handle
        try:
            handle = _open_step(step, outer, shown)
        finally:
            os.close(outer)
    return handle


def _open_step(step: str, outer: int, shown: str) -> int:
    try:
        return os.open(step, FOLDER_FLAGS, dir_fd=outer)
    except OSError as error:
        # Linux says ENOTDIR, not ELOOP, for a link where a folder is asked for.
        if error.errno == errno.ENOTDIR and stat.S_ISLNK(os.lstat(step, dir_fd=outer).st_mode):
            raise outside(shown, f"{step!r} is a link, and links are not followed") from error
        raise os_error(error, f"The folder {shown!r}") from error
