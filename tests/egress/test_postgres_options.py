"""What reaches libpq: the options that are listed, the address that was checked, and nothing of the environment."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from psycopg.conninfo import conninfo_to_dict

from accounts.errors import SignalboxError
from integrations.connectors.base import Context, Limits
from integrations.connectors.postgres import PostgresConnector
from integrations.connectors.postgres.settings import PostgresSettings
from integrations.errors import ADDRESS_BLOCKED, ADDRESS_INVALID, SETTINGS_INVALID, NeedsPerson

LISTED = {
    *("host", "hostaddr", "port", "dbname", "user", "password", "sslmode", "application_name", "options", "passfile"),
    *("sslcertmode", "gssencmode", "connect_timeout", "tcp_user_timeout"),
    *("keepalives", "keepalives_idle", "keepalives_interval", "keepalives_count"),
}
FOREIGN = (
    *("options", "service", "servicefile", "passfile", "password", "hostaddr", "sslkey", "sslcert", "sslrootcert"),
    *("sslcrl", "sslcrldir", "sslpassword", "krbsrvname", "gsslib", "requirepeer", "replication", "load_balance_hosts"),
    *("target_session_attrs", "channel_binding", "sslnegotiation", "conninfo", "dsn", "uri", "socket", "unix_socket"),
)
HOSTS = (
    *("/var/run/postgresql", "/tmp", "@abstract", "./socket", "C:\\pipe", "file:///etc/passwd"),  # noqa: S108
    *("a.example,127.0.0.1", "a.example hostaddr=127.0.0.1", "a.example' hostaddr='127.0.0.1", "host=127.0.0.1"),
    *("postgresql://127.0.0.1/x", "me@127.0.0.1", "127.1", "0x7f000001", "2130706433", "127.0.0.1%00", "a%2eexample"),
    *("[::ffff:127.0.0.1]", "::1%lo", "localhost.", "a..example", "\u0661\u0662\u0667.0.0.1", "a\\b", "a\tb", "a\0b"),
)
DATABASES = ("host=127.0.0.1", "dbname=x options=-csearch_path=y", "postgresql://127.0.0.1/x", "postgres://x", "a\nb")


def settings_of(**changes: Any) -> Context:
    base = {"host": "db.example", "port": 5432, "database": "app"}
    return Context({**base, **changes}, {"username": "reader", "password": "right"}, "basic")


def refused(**changes: Any) -> str:
    with pytest.raises(NeedsPerson) as caught:
        PostgresSettings.of(settings_of(**changes))
    return caught.value.code


@pytest.mark.security("SEC-092")
@pytest.mark.parametrize("name", FOREIGN)
def test_an_option_that_is_not_listed_is_refused(name: str) -> None:
    assert refused(**{name: "x"}) == SETTINGS_INVALID


@pytest.mark.security("SEC-081", "SEC-092")
@pytest.mark.parametrize("host", HOSTS)
def test_a_host_is_one_name_or_address_in_its_only_form(host: str) -> None:
    assert refused(host=host) in {SETTINGS_INVALID, ADDRESS_INVALID}


@pytest.mark.security("SEC-092")
@pytest.mark.parametrize("database", DATABASES)
def test_a_database_is_a_name_and_no_connection_string(database: str) -> None:
    assert refused(database=database) == SETTINGS_INVALID


@pytest.mark.security("SEC-080", "SEC-092")
@pytest.mark.parametrize("word", ["x", "x' hostaddr='127.0.0.1", "x hostaddr=127.0.0.1", "\\", "' service='y"])
def test_libpq_gets_the_listed_options_and_the_checked_address(monkeypatch: pytest.MonkeyPatch, word: str) -> None:
    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("8.8.8.8", 5432))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_args, **_kwargs: found)
    text = PostgresSettings.of(settings_of(host="DB.example", user=word, database=word.replace("=", "")))
    options = conninfo_to_dict(text.conninfo((), Limits()))
    assert set(options) == LISTED
    assert (options["host"], options["hostaddr"], options["user"]) == ("db.example", "8.8.8.8", word)


@pytest.mark.security("SEC-082")
def test_a_private_address_is_refused_before_libpq_hears_of_it() -> None:
    with pytest.raises(NeedsPerson) as caught:
        PostgresSettings.of(settings_of(host="127.0.0.1")).conninfo((), Limits())
    assert caught.value.code == ADDRESS_BLOCKED


class Pretender:
    """A server that asks for the password in clear, remembers what it was told, and hangs up."""

    def __init__(self) -> None:
        self.startup: dict[str, str] = {}
        self.password = ""

    def speak(self, connection: socket.socket) -> None:
        packet = self._read(connection)
        pairs = packet[4:].rstrip(b"\0").split(b"\0")
        self.startup = {pairs[n].decode(): pairs[n + 1].decode() for n in range(0, len(pairs) - 1, 2)}
        connection.sendall(b"R" + struct.pack("!ii", 8, 3))
        if connection.recv(1) == b"p":
            self.password = self._read(connection).rstrip(b"\0").decode()

    @staticmethod
    def _read(connection: socket.socket) -> bytes:
        (length,) = struct.unpack("!i", connection.recv(4, socket.MSG_WAITALL))
        return connection.recv(length - 4, socket.MSG_WAITALL)


@contextlib.contextmanager
def pretending() -> Iterator[tuple[Pretender, int]]:
    pretender = Pretender()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(10)

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                pretender.speak(connection)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield pretender, listener.getsockname()[1]
        thread.join(10)


@pytest.mark.security("SEC-084", "SEC-092")
@pytest.mark.parametrize("password", ["right", ""])
def test_nothing_of_the_environment_or_the_home_folder_is_used(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, password: str
) -> None:
    passfile = tmp_path / ".pgpass"
    passfile.write_text("*:*:*:*:canary-passfile\n")
    passfile.chmod(0o600)
    canaries = {
        "HOME": str(tmp_path),
        "PGPASSFILE": str(passfile),
        "PGPASSWORD": "canary-password",
        "PGUSER": "canary",
        "PGHOST": "127.0.0.9",
        "PGHOSTADDR": "127.0.0.9",
        "PGPORT": "9",
        "PGDATABASE": "canary",
        "PGOPTIONS": "-c search_path=canary",
        "PGAPPNAME": "canary",
        "PGSSLKEY": str(passfile),
    }
    for name, value in canaries.items():
        monkeypatch.setenv(name, value)
    with pretending() as (pretender, port), contextlib.suppress(SignalboxError):
        context = Context(
            {"host": "127.0.0.1", "port": port, "database": "app", "sslmode": "disable"},
            {"username": "reader", "password": password},
            "basic",
            egress_allow=(f"127.0.0.1:{port}",),
        )
        verdict = PostgresConnector(context).check()
    assert not verdict.ok
    assert "canary" not in f"{pretender.startup} {pretender.password} {verdict}"
    assert (pretender.startup["user"], pretender.startup["database"]) == ("reader", "app")
    assert pretender.password == password
