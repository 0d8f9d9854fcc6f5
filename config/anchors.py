"""Where the anchors of the audit log go: a file, the system's log or a web address, as the admin chose."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Callable
from functools import partial
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured

from integrations.connectors.base import Limits
from integrations.connectors.http import Call, HttpClient

Destination = Callable[[list[str]], None]
# Of facility "authpriv", severity "info".
_SYSLOG_PRIORITY = 10 * 8 + 6
_SYSLOG_SECONDS = 5.0


def destination_of(setting: str, allow: tuple[str, ...] = ()) -> Destination:
    """`file:/path`, `syslog:` (or `syslog:/socket`) or an https address; anything else is refused at the start."""
    kind, _, rest = setting.partition(":")
    if kind == "file" and rest:
        return partial(to_file, Path(rest))
    if kind == "syslog":
        return partial(to_syslog, rest or "/dev/log")
    if kind == "https":
        return partial(to_webhook, setting, allow)
    raise ImproperlyConfigured(
        f"SIGNALBOX_AUDIT_ANCHOR is {setting!r}. Use file:/path, syslog: or an address that begins with https://."
    )


def to_file(path: Path, lines: list[str]) -> None:
    """Append in one write, and wait until the disk has it; nobody else may read the file."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o600)
    try:
        data = "".join(f"{line}\n" for line in lines).encode()
        if os.write(descriptor, data) != len(data):
            raise OSError(f"{path} took a part of the anchors only; make room on its disk")
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def to_syslog(path: str, lines: list[str]) -> None:
    """One datagram for each line to the socket of the local log; forwarding them is the log's task."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as log:
        log.settimeout(_SYSLOG_SECONDS)
        log.connect(path)
        for line in lines:
            log.send(f"<{_SYSLOG_PRIORITY}>signalbox-audit: {line}".encode())


def to_webhook(url: str, allow: tuple[str, ...], lines: list[str]) -> None:
    """One POST with all lines, through the guard of every outgoing request; anything but 2xx raises."""
    content = json.dumps({"anchors": [json.loads(line) for line in lines]}).encode()
    client = HttpClient(Limits(), allow)
    try:
        client.send(Call(url, "POST", headers={"content-type": "application/json"}, content=content))
    finally:
        client.close()
