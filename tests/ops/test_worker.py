"""The worker over the embedded broker: traces, kept connections, crashes, and how it stops."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import structlog

from config.celery import app
from tests.ops.processes import descendants, is_alive
from tests.servers import stop, wait_until

PROJECT = Path(__file__).resolve().parents[2]


@dataclass
class Worker:
    """A real worker process, and the folder where its tasks leave notes."""

    process: "subprocess.Popen[bytes]"
    folder: Path
    data: Path

    def send(self, name: str, note: str, *args: object) -> Path:
        path = self.folder / note
        with app.connection_for_write(transport_options={"folder": str(self.data / "broker")}) as connection:
            app.send_task(f"tests.{name}", args=[str(path), *args], connection=connection, ignore_result=True)
        return path

    def read(self, path: Path) -> dict[str, Any]:
        wait_until(path.exists, f"the task to write {path.name}")
        found: dict[str, Any] = json.loads(path.read_text())
        return found


def all_ended(pids: set[int]) -> bool:
    return not any(map(is_alive, pids))


@pytest.fixture
def start_worker(tmp_path: Path) -> Iterator[Callable[..., Worker]]:
    processes: list[subprocess.Popen[bytes]] = []

    def start(**environment: str) -> Worker:
        data = tmp_path / "data"
        data.mkdir()
        known = {**os.environ, "SIGNALBOX_DATA": str(data), "DJANGO_SETTINGS_MODULE": "config.settings", **environment}
        command = [sys.executable, "-m", "tests.ops.celery_tasks"]
        processes.append(subprocess.Popen(command, cwd=PROJECT, env=known, start_new_session=True))
        return Worker(processes[-1], tmp_path, data)

    yield start
    for process in processes:
        below = descendants(process.pid)
        stop(process, signal.SIGKILL)
        wait_until(partial(all_ended, below), "the pool to end", seconds=5)


def test_a_task_carries_the_trace_of_its_sender_and_keeps_its_database_connection(
    start_worker: Callable[..., Worker],
) -> None:
    worker = start_worker()
    with structlog.contextvars.bound_contextvars(trace_id="from-the-page"):
        first = worker.read(worker.send("note", "first"))
    second = worker.read(worker.send("note", "second"))
    assert first["trace"] == "from-the-page"
    assert second["trace"] not in ("", "from-the-page")
    assert (first["pid"], first["connection"]) == (second["pid"], second["connection"])


@pytest.mark.fault("F7")
def test_a_killed_pool_child_is_replaced(start_worker: Callable[..., Worker]) -> None:
    worker = start_worker()
    killed = worker.read(worker.send("crash", "crash"))
    replaced = worker.read(worker.send("note", "note"))
    assert killed["pid"] != replaced["pid"]


def test_no_pool_child_outlives_a_killed_worker(start_worker: Callable[..., Worker]) -> None:
    worker = start_worker()
    child = worker.read(worker.send("note", "note"))["pid"]
    worker.process.kill()
    worker.process.wait()
    wait_until(lambda: not is_alive(child), "the pool's child to end", seconds=5)


def test_a_worker_that_is_told_to_stop_finishes_the_slice_under_way(start_worker: Callable[..., Worker]) -> None:
    worker = start_worker(SIGNALBOX_SHUTDOWN_SECONDS="10")
    path = worker.send("work", "slice", 1.0)
    worker.read(Path(f"{path}.started"))
    worker.process.send_signal(signal.SIGTERM)
    worker.process.wait(10)
    assert path.exists()


def test_a_slice_that_does_not_end_is_ended_at_the_bound(start_worker: Callable[..., Worker]) -> None:
    worker = start_worker(SIGNALBOX_SHUTDOWN_SECONDS="0.5")
    path = worker.send("work", "slice", 60.0)
    child = worker.read(Path(f"{path}.started"))["pid"]
    worker.process.send_signal(signal.SIGTERM)
    worker.process.wait(10)
    wait_until(lambda: not is_alive(child), "the pool's child to end", seconds=5)
    assert not path.exists()
