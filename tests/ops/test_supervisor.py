"""The supervisor restarts the child that dies, stops all within a bound, and leaves none behind."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from config.supervisor import restart_delay
from tests.ops.processes import descendants, is_alive
from tests.servers import stop, wait_until

# Stands in for `manage.py`: a child that writes its id, has a child of its own, and obeys or ignores TERM.
CHILD = """
import os, signal, subprocess, sys, time
name, folder, manner = sys.argv[1:]
if manner == "stubborn":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
if manner == "slow":
    def say_goodbye(*_):
        time.sleep(0.3)
        open(f"{folder}/said-goodbye", "w").close()
        os._exit(0)
    signal.signal(signal.SIGTERM, say_goodbye)
with open(f"{folder}/{name}-{time.time_ns()}", "w") as file:
    file.write(str(os.getpid()))
if manner == "failing":
    sys.exit(3)
time.sleep(120)
"""
SUPERVISOR = """
import os, sys, threading, time
from config.supervisor import ChildSpec, Supervisor
# As the libraries that `up` loads: a thread that was there first, and takes signals too.
threading.Thread(target=time.sleep, args=(120,), daemon=True).start()
folder, *manners = sys.argv[1:]
child = [sys.executable, f"{folder}/child.py"]
Supervisor(
    [ChildSpec(f"child{index}", (manner,), stop_seconds=1.5) for index, manner in enumerate(manners)],
    act=lambda spec: os.execv(sys.executable, [*child, spec.name, folder, *spec.arguments]),
).run()
"""
PROJECT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(("failures", "seconds"), [(1, 0.5), (2, 1.0), (3, 2.0), (6, 16.0), (7, 30.0), (60, 30.0)])
def test_the_delay_before_a_restart_doubles_up_to_a_bound(failures: int, seconds: float) -> None:
    assert restart_delay(failures) == seconds


@contextmanager
def supervised(folder: Path, *manners: str) -> Iterator["subprocess.Popen[bytes]"]:
    """A supervisor in a process of its own, with one child for each manner, all of them started."""
    (folder / "child.py").write_text(CHILD)
    process = subprocess.Popen([sys.executable, "-c", SUPERVISOR, str(folder), *manners], cwd=PROJECT)
    try:
        wait_until(lambda: len(started(folder)) >= len(manners), "the children to start")
        yield process
    finally:
        below = descendants(process.pid)
        stop(process, signal.SIGKILL)
        for pid in below:
            if is_alive(pid):
                os.kill(pid, signal.SIGKILL)


def started(folder: Path) -> list[int]:
    """The ids of all children so far, oldest first."""
    texts = [path.read_text() for path in sorted(folder.glob("child?-*"), key=lambda path: path.name.split("-")[1])]
    return [int(text) for text in texts if text]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_signal_ends_every_child_and_then_the_supervisor(tmp_path: Path, number: signal.Signals) -> None:
    with supervised(tmp_path, "obedient", "obedient") as process:
        process.send_signal(number)
        assert process.wait(5) == 0
    assert [pid for pid in started(tmp_path) if is_alive(pid)] == []


def test_the_same_signal_many_times_still_gives_each_child_its_time(tmp_path: Path) -> None:
    with supervised(tmp_path, "slow") as process:
        for _ in range(20):
            process.send_signal(signal.SIGTERM)
        assert process.wait(5) == 0
    assert (tmp_path / "said-goodbye").exists()


def test_a_child_that_ignores_the_signal_is_killed_within_its_bound(tmp_path: Path) -> None:
    with supervised(tmp_path, "stubborn") as process:
        process.send_signal(signal.SIGTERM)
        assert process.wait(5) == 0
    assert [pid for pid in started(tmp_path) if is_alive(pid)] == []


def test_a_child_that_is_killed_is_started_again_and_the_others_stay(tmp_path: Path) -> None:
    with supervised(tmp_path, "obedient", "obedient"):
        killed, other = started(tmp_path)
        os.kill(killed, signal.SIGKILL)
        wait_until(lambda: len(started(tmp_path)) == 3, "the killed child to be started again")
        assert is_alive(other)
        assert is_alive(started(tmp_path)[2])


def test_a_child_that_cannot_start_is_tried_again(tmp_path: Path) -> None:
    with supervised(tmp_path, "failing"):
        wait_until(lambda: len(started(tmp_path)) >= 3, "the third try")
