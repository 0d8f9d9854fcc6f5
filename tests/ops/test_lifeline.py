"""No process outlives its parent, even one that was killed without a chance to say goodbye."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.ops.processes import is_alive
from tests.servers import wait_until

PARENT = """
import os, subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", sys.argv[1], str(os.getpid()), sys.argv[2]])
time.sleep(120)
"""
BY_KERNEL = "import sys, time; from config.lifeline import die_with_parent; die_with_parent(int(sys.argv[1]));"
BY_THREAD = "import sys, time; from config.lifeline import follow_parent; follow_parent();"
LIVE_ON = "import os; open(sys.argv[2], 'w').write(str(os.getpid())); time.sleep(120)"
PROJECT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("tie", [BY_KERNEL, BY_THREAD], ids=["by the kernel", "by a thread"])
def test_a_child_ends_when_its_parent_is_killed(tmp_path: Path, tie: str) -> None:
    written = tmp_path / "child"
    parent = subprocess.Popen([sys.executable, "-c", PARENT, tie + LIVE_ON, str(written)], cwd=PROJECT)
    try:
        wait_until(lambda: written.exists() and written.read_text(), "the child to start")
        child = int(written.read_text())
        assert is_alive(child)
    finally:
        parent.send_signal(signal.SIGKILL)
        parent.wait()
    wait_until(lambda: not is_alive(child), "the child to end", seconds=5)


def test_a_child_whose_parent_is_gone_before_it_was_tied_ends_at_once() -> None:
    orphan = subprocess.run(
        [sys.executable, "-c", BY_KERNEL, str(os.getpid() + 1)], cwd=PROJECT, timeout=10, check=False
    )
    assert orphan.returncode == 1
