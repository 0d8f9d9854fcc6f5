"""The servers of a benchmark: a PostgreSQL with its default settings (durable commits), and the sandbox shop."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass

import psycopg

from tests.servers import INITDB_OPTIONS, _postgres_binary, _postgres_user, free_port, running, wait_until

TOKEN = "bench-token"  # noqa: S105 - of a throw-away server on loopback


@dataclass(frozen=True)
class Postgres:
    """A running PostgreSQL."""

    port: int

    @property
    def url(self) -> str:
        """The connection string; the server trusts everybody on loopback, drivers want some password."""
        return f"postgresql://signalbox:unused@127.0.0.1:{self.port}/postgres"

    def query(self, statement: str) -> list[tuple[object, ...]]:
        """Run one statement of our own and return its rows."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []


@contextlib.contextmanager
def postgres() -> Iterator[Postgres]:
    """PostgreSQL as Debian configures it, but on a free port and in a folder of its own."""
    user = _postgres_user()
    with tempfile.TemporaryDirectory(prefix="signalbox-bench-pg-") as folder:
        if user:
            shutil.chown(folder, user, user)
        subprocess.run(
            [_postgres_binary("initdb"), "--pgdata", folder, "--username", "signalbox", *INITDB_OPTIONS],
            check=True, capture_output=True, cwd="/", user=user, group=user,
        )  # fmt: skip
        port = free_port()
        options = (f"--port={port}", "--listen_addresses=127.0.0.1", "--unix_socket_directories=")
        command = [_postgres_binary("postgres"), "-D", folder, *options]
        with running(command, port=port, name="PostgreSQL", user=user):
            server = Postgres(port)
            wait_until(lambda: _answers(server), "PostgreSQL to accept connections")
            yield server


@contextlib.contextmanager
def shop() -> Iterator[int]:
    """The sandbox shop without its faults; yields its port."""
    port = free_port()
    command = [
        sys.executable, "manage.py", "sandbox", "--port", str(port), "--token", TOKEN, "--calm",
    ]  # fmt: skip
    with running(command, port=port, name="the sandbox shop"):
        yield port


def _answers(server: Postgres) -> bool:
    try:
        server.query("SELECT 1")
    except psycopg.OperationalError:
        return False
    return True
