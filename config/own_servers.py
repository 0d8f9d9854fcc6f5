"""Which servers hold this instance's own state, from its settings: connectors never reach them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import urlsplit

_PORTS = {"amqp": 5672, "amqps": 5671, "redis": 6379, "rediss": 6379, "pyamqp": 5672}
_POSTGRES = 5432
_EVERYWHERE = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - compared, not bound

Server = tuple[str, int]


def own_servers(
    *,
    database: Mapping[str, Any],  # Django's own settings of every type
    urls: Iterable[str],
    web: Server | None,
    excused: Iterable[str],
) -> tuple[Server, ...]:
    """Host and port of the database, of the broker and cache at `urls`, and of our own pages, without the excused.

    What has no host and port (SQLite, a queue of files, a Unix socket) is reached by no connector anyway.
    """
    found = [*_of_database(database), *(server for url in urls for server in _of_url(url))]
    if web is not None:
        found.append((_EVERYWHERE.get(web[0], web[0]), web[1]))
    left_out = {entry.strip().lower() for entry in excused}
    return tuple(server for server in dict.fromkeys(found) if _text(server) not in left_out)


def _of_database(database: Mapping[str, Any]) -> list[Server]:
    if not str(database["ENGINE"]).endswith("postgresql"):
        return []
    hosts = str(database.get("HOST") or "localhost").split(",")
    return [(host, int(database.get("PORT") or _POSTGRES)) for host in hosts if not host.startswith("/")]


def _of_url(url: str) -> list[Server]:
    """A broker's address may be several, separated by semicolons."""
    found = []
    for text in url.split(";"):
        parts = urlsplit(text)
        if parts.scheme in _PORTS and parts.hostname:
            found.append((parts.hostname, parts.port or _PORTS[parts.scheme]))
    return found


def _text(server: Server) -> str:
    host, port = server
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
