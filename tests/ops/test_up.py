"""`manage.py up` as a person meets it: it prepares, runs everything, keeps the data, and leaves nothing behind."""

import os
import re
import signal
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.ops.processes import descendants, is_alive
from tests.servers import free_port, stop, wait_until
from tests.smoke import is_ready

PROJECT = Path(__file__).resolve().parents[2]
# Web, worker and its pool, scheduler: without the demo.
FEWEST_PROCESSES = 4


@dataclass
class Instance:
    """One start of the product on a port and a data folder of its own."""

    process: "subprocess.Popen[bytes]"
    port: int
    output: Path

    def wait_until_ready(self) -> set[int]:
        wait_until(lambda: is_ready(self.port) or self.process.poll() is not None, "/readyz to be 200", seconds=60)
        assert self.process.poll() is None, self.output.read_text()
        return descendants(self.process.pid)


@pytest.fixture
def up(tmp_path: Path) -> Iterator[Callable[..., Instance]]:
    instances: list[Instance] = []

    def start(port: int | None = None) -> Instance:
        port = port or free_port()
        output = tmp_path / f"output-{len(instances)}"
        known = {**os.environ, "SIGNALBOX_DATA": str(tmp_path / "data"), "PORT": str(port), "SIGNALBOX_DEMO": "0"}
        known["DJANGO_SETTINGS_MODULE"] = "config.settings"
        with output.open("wb") as file:
            process = subprocess.Popen(
                [sys.executable, "manage.py", "up"], cwd=PROJECT, env=known, stdout=file, stderr=file
            )
        instances.append(Instance(process, port, output))
        return instances[-1]

    yield start
    for instance in instances:
        stop(instance.process, signal.SIGTERM)


def test_everything_starts_stops_and_starts_again_with_its_data(up: Callable[..., Instance], tmp_path: Path) -> None:
    first = up()
    running = first.wait_until_ready()
    assert len(running) >= FEWEST_PROCESSES
    assert stat.S_IMODE((tmp_path / "data" / "secrets.env").stat().st_mode) == 0o600
    assert re.search(r"One-time password \(shown only now\): \S{12,}", first.output.read_text())
    first.process.send_signal(signal.SIGINT)
    assert first.process.wait(20) == 0
    assert [pid for pid in running if is_alive(pid)] == []

    again = up()
    again.wait_until_ready()
    assert "One-time password" not in again.output.read_text()


def test_nothing_outlives_a_killed_supervisor(up: Callable[..., Instance]) -> None:
    instance = up()
    running = instance.wait_until_ready()
    instance.process.kill()
    instance.process.wait()
    wait_until(lambda: not any(map(is_alive, running)), "every process to end", seconds=5)


def test_a_killed_worker_is_started_again(up: Callable[..., Instance]) -> None:
    instance = up()
    before = instance.wait_until_ready()
    for pid in before:
        if Path(f"/proc/{pid}/comm").read_text() == "worker@signalbo\n":
            os.kill(pid, signal.SIGKILL)
    wait_until(lambda: len(descendants(instance.process.pid) - before) >= 2, "a new worker and its pool", seconds=20)
    assert "process ended; it will be started again" in instance.output.read_text()


def test_a_taken_port_ends_the_start_with_a_message(up: Callable[..., Instance]) -> None:
    first = up()
    first.wait_until_ready()
    second = up(first.port)
    assert second.process.wait(20) != 0
    assert "Address already in use" in second.output.read_text()
