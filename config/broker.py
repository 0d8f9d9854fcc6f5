"""The embedded broker: a kombu transport that keeps each message as one file below the data folder.

Kombu's own file transport loses messages with several producers, because a reader may take a file that is still being
written. Here a message appears by `rename` only once it is whole, and belongs to the one reader whose `unlink`
succeeds. Messages are hints (the rows of the database say what is due), so nothing is synced to the disk.
"""

import json
import logging
import os
import time
import uuid
from collections import defaultdict, deque
from pathlib import Path
from queue import Empty
from typing import Any, cast
from urllib.parse import quote

from kombu import Connection
from kombu.transport import TRANSPORT_ALIASES, virtual

SCHEME = "signalbox-fs"
POLL_SECONDS = 0.1
_LONGEST_WAIT_SECONDS = 0.3
_SUFFIX = ".msg"
_INCOMING = "incoming"
# What a crashed producer left behind in `incoming` is thrown away after this time.
_ABANDONED_SECONDS = 3600

logger = logging.getLogger(__name__)


def register() -> None:
    """Make `signalbox-fs://` a broker address that Celery understands."""
    TRANSPORT_ALIASES[SCHEME] = f"{__name__}:Transport"


class Channel(virtual.Channel):
    """One folder for each queue, one file for each message, oldest first."""

    # Kombu leaves all of these to the subclass (kombu.transport.virtual.base.AbstractChannel).
    def __init__(self, *args: Any, **kwargs: Any) -> None:  # kombu passes its transport on
        super().__init__(*args, **kwargs)
        self._root = _folder_of(self.connection.client)
        self._listed: dict[str, deque[str]] = defaultdict(deque)

    def _folder(self, queue: str) -> Path:
        name = quote(queue, safe="")
        if not name.strip("."):
            raise ValueError(f"{queue!r} cannot be the name of a queue")
        return self._root / "queues" / name

    def _new_queue(self, queue: str, **_: Any) -> None:
        self._folder(queue).mkdir(parents=True, exist_ok=True)

    def _has_queue(self, queue: str, **_: Any) -> bool:
        return self._folder(queue).is_dir()

    def _put(self, queue: str, message: dict[str, Any], **_: Any) -> None:
        incoming = self._root / _INCOMING
        incoming.mkdir(parents=True, exist_ok=True)
        name = f"{time.time_ns():020d}-{uuid.uuid4().hex}{_SUFFIX}"
        written = incoming / name
        written.write_text(json.dumps(message), encoding="utf-8")
        self._new_queue(queue)
        written.rename(self._folder(queue) / name)

    def _get(self, queue: str, timeout: float | None = None) -> dict[str, Any]:  # noqa: ARG002 - kombu's signature
        listed = self._listed[queue] or self._list(queue)
        while listed:
            message = self._claim(self._folder(queue) / listed.popleft())
            if message is not None:
                return message
        raise Empty

    def _list(self, queue: str) -> deque[str]:
        try:
            names = os.listdir(self._folder(queue))  # noqa: PTH208 - names are enough, and this runs ten times a second
        except FileNotFoundError:
            names = []
        self._listed[queue] = deque(sorted(names))
        return self._listed[queue]

    def _claim(self, path: Path) -> dict[str, Any] | None:
        """Read the message and take it; None where another reader was faster or the file is damaged."""
        try:
            content = path.read_bytes()
            path.unlink()
        except FileNotFoundError:
            return None
        try:
            return cast("dict[str, Any]", json.loads(content))
        except ValueError:
            # A power cut may leave an empty file. The reconciler gives the hint again; the worker must live on.
            logger.warning("A damaged message was dropped", extra={"file": path.name, "bytes": len(content)})
            return None

    def _size(self, queue: str) -> int:
        return len(self._list(queue))

    def _purge(self, queue: str) -> int:
        taken = 0
        for name in self._list(queue):
            taken += self._claim(self._folder(queue) / name) is not None
        return taken

    def _delete(self, queue: str, *_: Any, **__: Any) -> None:
        self._purge(queue)


class Transport(virtual.Transport):
    """`signalbox-fs://`, with `broker_transport_options = {"folder": ...}`."""

    Channel = Channel
    implements = virtual.Transport.implements.extend(asynchronous=False, exchange_type=frozenset(["direct"]))
    polling_interval = POLL_SECONDS
    default_port = 0
    driver_type = "filesystem"
    driver_name = SCHEME

    def driver_version(self) -> str:
        """Kombu asks each transport for the version of its client library; there is none."""
        return "none"

    def establish_connection(self) -> Any:
        """Open the folder and sweep what crashed producers left behind."""
        _sweep(_folder_of(self.client) / _INCOMING, older_than=time.time() - _ABANDONED_SECONDS)
        return super().establish_connection()

    def drain_events(self, connection: Connection, timeout: float | None = None, **_: Any) -> None:
        """Wait for a message; not long, since a worker that was told to stop sees it only in between."""
        super().drain_events(connection, timeout if timeout is None else min(timeout, _LONGEST_WAIT_SECONDS))


def _folder_of(client: Connection | None) -> Path:
    if client is None or not client.transport_options:
        raise ValueError(f"{SCHEME}:// needs broker_transport_options = {{'folder': ...}}")
    return Path(client.transport_options["folder"])


def _sweep(folder: Path, *, older_than: float) -> None:
    for path in folder.glob(f"*{_SUFFIX}"):
        try:
            if path.stat().st_mtime < older_than:
                path.unlink()
        except FileNotFoundError:
            continue
