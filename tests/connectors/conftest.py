"""What connector tests share: one PostgreSQL database for a module, emptied for each test."""

import time
from collections.abc import Iterator

import psycopg
import pytest

from tests.faults.hostile import HostileServer, hostile
from tests.servers import Server


@pytest.fixture(scope="module")
def module_postgres(postgres_server: Server) -> Iterator[str]:
    """The address of a database for one module."""
    name = f"connectors_{time.monotonic_ns()}"
    with psycopg.connect(postgres_server.url, autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name}".encode())
        yield postgres_server.url.rpartition("/")[0] + f"/{name}"
        admin.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


@pytest.fixture
def clean_postgres(module_postgres: str) -> str:
    """That database with an empty schema `public`: much quicker than a new database."""
    with psycopg.connect(module_postgres, autocommit=True) as connection:
        connection.execute("DROP SCHEMA public CASCADE")
        connection.execute("CREATE SCHEMA public")
        connection.execute("GRANT USAGE ON SCHEMA public TO PUBLIC")
    return module_postgres


@pytest.fixture
def hostile_server() -> Iterator[HostileServer]:
    """A destination over HTTP that behaves until it is asked not to."""
    with hostile(seed=3) as server:
        yield server
