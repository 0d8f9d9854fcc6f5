"""Tells which processes of a worker's pool died, so that what they held is free at once and not after a lease."""

import os
import socket
from pathlib import Path

from integrations.services.claims import release_dead


class PoolWatch:
    """Looks at this process's children each time that it is asked."""

    def __init__(self) -> None:
        self._known: set[int] = set()

    def release_lost(self) -> int:
        """End the leases of children that are gone since the last look; return how many runs they held."""
        alive = children()
        lost = {pid for pid in self._known - alive if not _is_there(pid)}
        self._known |= alive
        released = release_dead([f"{socket.gethostname()}:{pid}" for pid in lost]) if lost else 0
        # Not before: where the database was away, the next look tells of them again.
        self._known -= lost
        return released


def _is_there(pid: int) -> bool:
    """Whether the process is there after all: a list that is read while another child ends may lack one that lives."""
    return Path(f"/proc/{pid}").exists()


def children() -> set[int]:
    """The ids of this process's own children, of all its threads."""
    found: set[int] = set()
    for path in Path(f"/proc/{os.getpid()}/task").glob("*/children"):
        try:
            found.update(int(pid) for pid in path.read_text().split())
        except FileNotFoundError:
            # A thread that ended in the meantime; its children are another thread's by now.
            continue
    return found
