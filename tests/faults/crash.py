"""Stops PostgreSQL at once, again and again, within one long run: control plane and destination are on that server.

    python -m tests.faults.crash --crashes 50 --records 1000000

prints one line of JSON, and ends with 1 unless every record is there exactly once.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg

from tests.faults import history
from tests.faults.proof import PROJECT, TIMINGS, open_folder
from tests.faults.workers import DIRECT, Crew, crew_of
from tests.servers import PostgresFolder

# So many batches are committed between two crashes; the rest of the run has the last of them behind it.
SHARE_WITH_CRASHES = 0.9
LONGEST_SECONDS = 1800.0
ENDED = ("succeeded", "failed", "cancelled")


@dataclass
class Server:
    """A PostgreSQL that is stopped at once and started again on the same data."""

    folder: PostgresFolder
    _pid: int = 0
    _running: ExitStack = field(default_factory=ExitStack)

    def start(self) -> None:
        """Start it, and let it recover."""
        self._pid = self._running.enter_context(self.folder.running(full_page_writes="off", max_connections="100")).pid

    def crash(self) -> None:
        """Stop it at once: what is not committed is gone, and what is committed is recovered at the next start."""
        os.kill(self._pid, signal.SIGQUIT)
        self._running.close()

    def close(self) -> None:
        """Stop it for good."""
        self._running.close()

    def address(self, name: str) -> str:
        """The address of a database."""
        return self.folder.url.rpartition("/")[0] + f"/{name}"

    def ask(self, name: str, statement: str) -> list[tuple[Any, ...]]:
        """What a statement returns."""
        with psycopg.connect(self.address(name), autocommit=True) as connection:
            cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []


def crash_often(server: Server, crew: Crew, crashes: int, batches: int) -> int:
    """Crash the server whenever the run has moved on enough; return how often. Ends when the run has ended."""
    done, ends_at = 0, time.monotonic() + LONGEST_SECONDS
    step = max(1, int(batches * SHARE_WITH_CRASHES) // crashes)
    while time.monotonic() < ends_at:
        state, committed = server.ask("control", "SELECT state, batches FROM integrations_run")[0]
        if state in ENDED:
            break
        if done < crashes and committed >= (done + 1) * step:
            server.crash()
            done += 1
            server.start()
        crew.tend()
        time.sleep(0.02)
    return done


def verdict(server: Server, records: int) -> dict[str, Any]:
    """The run and its destination, compared record by record in the database."""
    there, numbers, right = server.ask(
        "destination",
        "SELECT count(*), count(DISTINCT id), count(*) FILTER (WHERE value = 'record ' || id) FROM records",
    )[0]
    state, read, written, set_aside, filtered = server.ask(
        "control", "SELECT state, read, written, set_aside, filtered FROM integrations_run"
    )[0]
    return {
        "records": records,
        "lost": records - numbers,
        "doubled": there - numbers,
        "stale": there - right,
        "stuck": int(state not in ENDED),
        "state": state,
        "counts_add_up": read == written + set_aside + filtered == records and written == there,
        "owners": history.foreign(history.changes(server.address("control")))[:5],
    }


def run(folder: Path, crashes: int, records: int) -> dict[str, Any]:
    """Prepare the run, have it worked while the server crashes, and judge it."""
    began = time.monotonic()
    (folder / "postgres").mkdir()
    server = Server(PostgresFolder.make(folder / "postgres"))
    server.start()
    try:
        for name in ("control", "destination"):
            server.ask("postgres", f"CREATE DATABASE {name}")
        environment = _environment(folder, server)
        (folder / "crew").mkdir()
        _prepare(server, records, environment)
        with crew_of(folder / "crew", DIRECT, 2, server.address("control"), environment=environment) as crew:
            happened = crash_often(server, crew, crashes, records // 5_000)
        return {"crashes": happened, **verdict(server, records), "seconds": round(time.monotonic() - began, 1)}
    finally:
        server.close()


def _environment(folder: Path, server: Server) -> dict[str, str]:
    return {
        **TIMINGS,
        "DJANGO_SETTINGS_MODULE": "config.settings",
        "SIGNALBOX_DATA": str(folder / "data"),
        "SIGNALBOX_EGRESS_ALLOW": f"127.0.0.1:{server.folder.port}",
        "SIGNALBOX_EGRESS_OWN": f"127.0.0.1:{server.folder.port}",
        "SIGNALBOX_LOG_LEVEL": "WARNING",
        "DATABASE_URL": server.address("control"),
        "BROKER_URL": "signalbox-fs://",
    }


def _prepare(server: Server, records: int, environment: dict[str, str]) -> None:
    command = [sys.executable, "-m", "tests.faults.start", "million"]
    subprocess.run(
        [*command, str(records), server.address("destination"), str(server.folder.port)], cwd=PROJECT, check=True,
        env={**os.environ, **environment}, stdout=subprocess.DEVNULL,
    )  # fmt: skip


def is_exact(result: dict[str, Any], crashes: int) -> bool:
    """Whether enough crashes happened and nothing differs."""
    faults = sum(result[name] for name in ("lost", "doubled", "stale", "stuck"))
    whole = result["state"] == "succeeded" and result["counts_add_up"] and not result["owners"]
    return bool(whole and not faults and result["crashes"] >= crashes)


def main() -> int:
    """Do what the arguments ask for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--crashes", type=int, default=50)
    parser.add_argument("--records", type=int, default=1_000_000)
    given = parser.parse_args()
    with open_folder() as folder:
        result = run(folder, given.crashes, given.records)
    sys.stdout.write(json.dumps(result) + "\n")
    return 0 if is_exact(result, given.crashes) else 1


if __name__ == "__main__":
    sys.exit(main())
