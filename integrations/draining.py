"""One byte that a worker shares with the processes of its pool: set, it asks them to end their slices."""

from __future__ import annotations

import mmap

# Anonymous and shared: every process forked from here on sees what one of them writes.
_flag = mmap.mmap(-1, 1)


def begin_draining() -> None:
    """Ask for it: slices end at their next batch, and nothing new is claimed."""
    _flag[0] = 1


def is_draining() -> bool:
    """Whether this worker, in any of its processes, was told to stop."""
    return _flag[0] == 1
