"""Many requests for one thing at one moment: one is done, the others are answered with a clean conflict."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.schedules.race import Web, web_over


@pytest.fixture(params=["sqlite", "postgres"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "postgres":
        return str(request.getfixturevalue("postgres_database"))
    return f"sqlite:///{tmp_path / 'control.sqlite3'}"


@pytest.fixture
def web(database_url: str, tmp_path: Path) -> Iterator[Web]:
    with web_over(tmp_path, database_url) as found:
        yield found


def ask(url: str, statement: str) -> list[tuple[Any, ...]]:
    if url.startswith("sqlite"):
        with closing(sqlite3.connect(url.removeprefix("sqlite:///"), timeout=30)) as database:
            return database.execute(statement).fetchall()
    with psycopg.connect(url) as connection:
        return connection.execute(statement.encode()).fetchall()


@pytest.mark.fault("F35")
def test_of_200_simultaneous_starts_one_is_active_and_the_others_conflict(web: Web, database_url: str) -> None:
    answers = web.post_at_once(200, f"integrations/{web.made['integration']}/runs/", {})
    assert answers == {202: 1, 409: 199}
    # One was started, and cancelled, before.
    assert ask(database_url, "SELECT trigger FROM integrations_run WHERE state <> 'cancelled'") == [("api",)]
    assert ask(database_url, "SELECT count(*) FROM accounts_auditentry WHERE action = 'run.started'") == [(2,)]


@pytest.mark.fault("F36")
def test_of_100_simultaneous_redrives_of_one_letter_one_run_has_it(web: Web, database_url: str) -> None:
    body = {"integration": web.made["integration"], "ids": [web.made["letter"]]}
    answers = web.post_at_once(100, "dead-letters/redrive/", body)
    assert answers == {202: 1, 409: 99}
    assert ask(database_url, "SELECT trigger FROM integrations_run WHERE state = 'queued'") == [("redrive",)]
    assert ask(database_url, "SELECT count(*) FROM integrations_deadletter WHERE state = 'redriving'") == [(1,)]
