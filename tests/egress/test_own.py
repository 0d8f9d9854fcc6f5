"""The servers of our own state stay shut, whatever name or address of theirs is used and whatever the list says."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from config.own_servers import own_servers
from integrations.egress import OWN_SERVERS, resolve_checked
from integrations.errors import ADDRESS_BLOCKED, NeedsPerson

POSTGRES = {"ENGINE": "django.db.backends.postgresql", "HOST": "db.internal", "PORT": 5433}


@pytest.fixture(autouse=True)
def own() -> Iterator[None]:
    """A database on this machine, and one elsewhere."""
    before = OWN_SERVERS._servers
    OWN_SERVERS.close([("localhost", 5433), ("9.9.9.9", 6379)])
    yield
    OWN_SERVERS.close(before)


@pytest.mark.security("SEC-080", "SEC-082")
@pytest.mark.parametrize(
    ("host", "port", "address"),
    [
        ("127.0.0.1", 5433, ""),
        ("127.0.0.9", 5433, ""),
        ("::1", 5433, ""),
        ("localhost", 5433, "127.0.0.1"),
        ("warehouse.example", 5433, "127.0.0.1"),
        ("9.9.9.9", 6379, ""),
        ("cache.example", 6379, "::ffff:9.9.9.9"),
    ],
)
def test_a_server_of_our_own_state_is_refused_although_it_is_listed(host: str, port: int, address: str) -> None:
    allow = (f"[{host}]:{port}" if ":" in host else f"{host}:{port}",)
    with pytest.raises(NeedsPerson) as caught:
        resolve_checked(host, port, allow, resolver=lambda _host, _port: (address,))
    assert caught.value.code == ADDRESS_BLOCKED
    assert "state of this instance" in caught.value.message


@pytest.mark.parametrize(("host", "port"), [("127.0.0.1", 5432), ("9.9.9.9", 5433), ("8.8.8.8", 6379)])
def test_another_port_or_another_machine_is_not_ours(host: str, port: int) -> None:
    assert resolve_checked(host, port, (f"{host}:{port}",)) == host


def test_the_settings_name_database_broker_cache_and_web() -> None:
    urls = ("amqp://u:p@a.internal//;amqp://b.internal:5673//", "redis://[::1]:6380/0", "signalbox-fs://")
    found = own_servers(database=POSTGRES, urls=urls, web=("0.0.0.0", 8000), excused=())
    servers = [("db.internal", 5433), ("a.internal", 5672), ("b.internal", 5673), ("::1", 6380), ("127.0.0.1", 8000)]
    assert found == tuple(servers)


@pytest.mark.parametrize("database", [{"ENGINE": "x.sqlite3", "NAME": "a"}, {**POSTGRES, "HOST": "/run/postgresql"}])
def test_what_has_no_address_is_no_server(database: dict[str, object]) -> None:
    assert own_servers(database=database, urls=("memory://",), web=None, excused=()) == ()


def test_a_server_that_must_serve_for_both_is_excused_by_its_exact_address() -> None:
    excused = (" DB.internal:5433 ", "db.internal:5432", "[::1]:6380")
    left = own_servers(database=POSTGRES, urls=("redis://[::1]:6380",), web=("::1", 80), excused=excused)
    assert left == (("::1", 80),)
