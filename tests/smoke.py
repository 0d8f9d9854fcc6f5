"""Starts the product as a person would (`make up`), sees the demo's first run succeed, stops it, finds nothing left.

Prints its figures as one line of JSON.
"""

import contextlib
import json
import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

from tests.ops.processes import descendants, is_alive
from tests.servers import free_port, wait_until

PROJECT = Path(__file__).resolve().parents[1]
READY_SECONDS, RUN_SECONDS, STOP_SECONDS = 60.0, 90.0, 20.0


def is_ready(port: int) -> bool:
    """Whether `/readyz` answers 200."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=2) as response:
            return bool(response.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def succeeded_runs(data: Path) -> int:
    """How many runs of the demo have succeeded so far, as its database says."""
    uri = f"file:{data / 'signalbox.sqlite3'}?mode=ro"
    with contextlib.closing(sqlite3.connect(uri, uri=True, timeout=5)) as database:
        (count,) = database.execute("SELECT count(*) FROM integrations_run WHERE state = 'succeeded'").fetchone()
    return int(count)


def seconds_until(condition: Callable[[], object], what: str, bound: float) -> float:
    """How long it took until the condition held."""
    started = time.monotonic()
    wait_until(condition, what, bound)
    return round(time.monotonic() - started, 1)


def start(data: Path, port: int) -> "subprocess.Popen[bytes]":
    """`make up`, on a free port and a data folder of its own."""
    sandbox = free_port()
    environment = {**os.environ, "PORT": str(port), "SIGNALBOX_DATA": str(data)}
    environment |= {"SIGNALBOX_SANDBOX_PORT": str(sandbox), "HOST": "127.0.0.1"}
    for name in ("DATABASE_URL", "BROKER_URL", "CACHE_URL", "SIGNALBOX_DEMO"):
        environment.pop(name, None)
    return subprocess.Popen(
        ["make", "--no-print-directory", "up"], cwd=PROJECT, env=environment, start_new_session=True
    )


def end(process: "subprocess.Popen[bytes]") -> tuple[float, list[int]]:
    """Ask for the end as Ctrl-C would; how many seconds it took, and which processes were left."""
    below = descendants(process.pid)
    os.killpg(process.pid, signal.SIGTERM)
    try:
        seconds = seconds_until(lambda: not any(map(is_alive, below)), "everything to stop", STOP_SECONDS)
    except TimeoutError:
        seconds = STOP_SECONDS
    left = [pid for pid in below if is_alive(pid)]
    for pid in left:
        os.kill(pid, signal.SIGKILL)
    process.wait()
    return seconds, left


def measure(data: Path) -> dict[str, object]:
    """First start to the first succeeded run, stop, second start, stop."""
    port = free_port()
    process = start(data, port)
    try:
        first = seconds_until(lambda: is_ready(port), "/readyz to be 200", READY_SECONDS)
        run = seconds_until(lambda: succeeded_runs(data) > 0, "the demo's first run to succeed", RUN_SECONDS)
    finally:
        stopped, left = end(process)
    process = start(data, port)
    try:
        second = seconds_until(lambda: is_ready(port), "/readyz to be 200 again", READY_SECONDS)
        kept = succeeded_runs(data)
    finally:
        _, left_again = end(process)
    return {
        "smoke_ready_seconds": first,
        "smoke_first_run_seconds": run,
        "smoke_stop_seconds": stopped,
        "smoke_ready_again_seconds": second,
        "smoke_runs_kept": kept,
        "smoke_processes_left": len(left) + len(left_again),
    }


def main() -> int:
    """Run it in a temporary data folder; 0 only where nothing was left and the data was kept."""
    with tempfile.TemporaryDirectory(prefix="signalbox-smoke-") as folder:
        figures = measure(Path(folder))
    sys.stdout.write(json.dumps(figures) + "\n")
    return 0 if figures["smoke_processes_left"] == 0 and figures["smoke_runs_kept"] else 1


if __name__ == "__main__":
    sys.exit(main())
