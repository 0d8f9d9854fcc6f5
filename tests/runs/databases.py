"""Runs a test on SQLite and on PostgreSQL: what has to do with locks must hold on both."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import environ
import psycopg
import pytest
from django.core.management import call_command
from django.db import connections
from pytest_django import DjangoDbBlocker

from config.database import postgres_options
from tests.servers import Server

PROJECT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def migrated_postgres(postgres_server: Server) -> str:
    """The address of a database with the product's tables; the server is dropped with it."""
    return _migrated(postgres_server.url)


@cache
def _migrated(server: str) -> str:
    """Once for each server: pytest makes a fixture anew for each module that imports it."""
    with psycopg.connect(server, autocommit=True) as admin:
        admin.execute("CREATE DATABASE control")
    url = server.rpartition("/")[0] + "/control"
    with TemporaryDirectory() as folder:
        environment = {
            **os.environ,
            "DATABASE_URL": url,
            "SIGNALBOX_DATA": folder,
            "DJANGO_SETTINGS_MODULE": "config.settings",
        }
        command = [sys.executable, "manage.py", "migrate", "--verbosity", "0"]
        subprocess.run(command, cwd=PROJECT, env=environment, check=True)
    return url


@pytest.fixture(params=[pytest.param("sqlite", marks=pytest.mark.django_db(transaction=True)), "postgresql"])
def either_database(request: pytest.FixtureRequest, django_db_blocker: DjangoDbBlocker) -> Iterator[str]:
    """The control database is one, then the other; its rows are gone after the test."""
    if request.param == "sqlite":
        yield "sqlite"
        return
    with django_db_blocker.unblock(), control_database(request.getfixturevalue("migrated_postgres")):
        yield "postgresql"
        call_command("flush", interactive=False, verbosity=0)


@contextmanager
def control_database(url: str, unreachable_seconds: float = 8) -> Iterator[None]:
    """Let every thread of this process use another control database."""
    before = connections.settings["default"]
    bounds = postgres_options(
        lock_seconds=2, statement_seconds=30, idle_seconds=5, unreachable_seconds=unreachable_seconds
    )
    connections["default"].close()
    connections.settings["default"] = {**before, **environ.Env.db_url_config(url), "OPTIONS": bounds}
    del connections["default"]
    try:
        yield
    finally:
        connections["default"].close()
        connections.settings["default"] = before
        del connections["default"]
