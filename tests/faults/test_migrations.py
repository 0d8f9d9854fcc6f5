"""A migration whose process is killed leaves a database that the next one brings up to date."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

from tests.servers import wait_until

PROJECT = Path(__file__).resolve().parents[2]
# Each kill comes after so many more migrations were done.
AFTER = (1, 8, 15)


def migrate(url: str, data: Path, *arguments: str) -> subprocess.Popen[bytes]:
    environment = {**os.environ, "DATABASE_URL": url, "SIGNALBOX_DATA": str(data)}
    environment["DJANGO_SETTINGS_MODULE"] = "config.settings"
    command = [sys.executable, "manage.py", "migrate", "--verbosity", "0", *arguments]
    return subprocess.Popen(command, cwd=PROJECT, env=environment)


def done(url: str) -> int:
    """How many migrations the database has."""
    with psycopg.connect(url) as connection:
        if connection.execute("SELECT to_regclass('django_migrations')").fetchone() == (None,):
            return 0
        found = connection.execute("SELECT count(*) FROM django_migrations").fetchone()
        return int(found[0]) if found else 0


def killed(url: str, data: Path, after: int) -> bool:
    """Begin to migrate, and kill it when the database has so many; say whether that ended it."""
    process = migrate(url, data)
    wait_until(lambda: process.poll() is not None or done(url) >= after, f"{after} migrations")
    process.kill()
    return process.wait() < 0


@pytest.mark.fault("F42")
def test_a_migration_that_is_killed_again_and_again_is_finished_by_the_next_one(
    postgres_database: str, tmp_path: Path
) -> None:
    assert [killed(postgres_database, tmp_path, after) for after in AFTER] == [True] * len(AFTER)
    assert migrate(postgres_database, tmp_path).wait() == 0
    assert migrate(postgres_database, tmp_path, "--check").wait() == 0
