"""A record that kills the process of whoever touches it, with real processes that die."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.runs.crashing import POISON, RECORDS

PROJECT = Path(__file__).resolve().parents[2]
BOUND_SECONDS = 240


def crash(where: str, folder: Path) -> dict[str, Any]:
    environment = {
        **os.environ,
        "SIGNALBOX_DATA": str(folder),
        "DJANGO_SETTINGS_MODULE": "config.settings",
        "SIGNALBOX_LEASE_SECONDS": "0.5",
        "SIGNALBOX_LOG_LEVEL": "CRITICAL",
    }
    done = subprocess.run(
        [sys.executable, "-m", "tests.runs.crashing", where, str(folder)],
        cwd=PROJECT, env=environment, capture_output=True, text=True, check=True, timeout=BOUND_SECONDS,
    )  # fmt: skip
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def ids_in(folder: Path) -> list[int]:
    with closing(sqlite3.connect(folder / "files" / "acme" / "out.sqlite3")) as database:
        return [row[0] for row in database.execute("SELECT id FROM records ORDER BY id")]


@pytest.mark.fault("F7", "F8")
def test_a_record_that_kills_its_workers_is_set_aside_and_the_others_arrive(tmp_path: Path) -> None:
    found = crash("writing", tmp_path)
    assert (found["state"], found["counts"]) == ("succeeded", [RECORDS, RECORDS - 1, 1])
    assert found["letters"] == [["worker_crash", {"id": POISON}]]
    assert ids_in(tmp_path) == [number for number in range(RECORDS) if number != POISON]
    assert 10 <= found["deaths"] <= 25
    assert (found["isolating"] > 5, found["isolation"]) == (True, None)


@pytest.mark.fault("F8")
def test_a_source_that_dies_while_reading_fails_the_run_in_words(tmp_path: Path) -> None:
    found = crash("reading", tmp_path)
    assert (found["state"], found["code"], found["letters"]) == ("failed", "worker_died", [])
    assert "while reading" in found["message"]
    assert ids_in(tmp_path) == list(range(len(ids_in(tmp_path))))
