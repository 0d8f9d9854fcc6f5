"""A migration whose process is killed leaves a database that the next one brings up to date."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[2]
# Each process dies when so many migrations are done, before the last of them is committed.
AFTER = (2, 8, 10)
DIES = """
import os, signal, sys
from django.core.management import execute_from_command_line
from django.db.migrations.recorder import MigrationRecorder

left, record = int(sys.argv[1]), MigrationRecorder.record_applied

def record_and_die(self, app, name):
    global left
    record(self, app, name)
    left -= 1
    if not left:
        os.kill(os.getpid(), signal.SIGKILL)

MigrationRecorder.record_applied = record_and_die
execute_from_command_line(["manage.py", "migrate", "--verbosity", "0"])
"""


def run(url: str, data: Path, *command: str) -> int:
    """The exit code of a process of ours over this database."""
    environment = {**os.environ, "DATABASE_URL": url, "SIGNALBOX_DATA": str(data)}
    environment["DJANGO_SETTINGS_MODULE"] = "config.settings"
    return subprocess.run([sys.executable, *command], cwd=PROJECT, env=environment, check=False).returncode


@pytest.mark.fault("F42")
def test_a_migration_that_is_killed_again_and_again_is_finished_by_the_next_one(
    postgres_database: str, tmp_path: Path
) -> None:
    killed = [run(postgres_database, tmp_path, "-c", DIES, str(after)) for after in AFTER]
    assert killed == [-signal.SIGKILL] * len(AFTER)
    assert run(postgres_database, tmp_path, "manage.py", "migrate", "--verbosity", "0") == 0
    assert run(postgres_database, tmp_path, "manage.py", "migrate", "--check") == 0
