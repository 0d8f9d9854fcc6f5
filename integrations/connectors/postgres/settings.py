"""The settings of a PostgreSQL connector, and the connection string made from them.

Only what is listed here reaches libpq: no `options`, `service` or `passfile` of the user's, no unix-socket directory,
no second host, and the address is the one that the egress check returned.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from psycopg.conninfo import make_conninfo

from integrations import egress
from integrations.connectors.base import Context, Limits, Setting, SettingKind
from integrations.connectors.sql import refuse_unknown_settings
from integrations.errors import CREDENTIAL_MISSING, SETTINGS_INVALID, NeedsPerson

SSL_MODES = (
    ("disable", "Never encrypt"),
    ("prefer", "Encrypt where the server offers it"),
    ("require", "Always encrypt"),
    ("verify-full", "Always encrypt and check the server's certificate"),
)

SETTINGS = (
    Setting("host", "Host", required=True, help="A host name or IP address; a socket directory is refused."),
    Setting("port", "Port", kind=SettingKind.INTEGER, default=5432, minimum=1, maximum=65535),
    Setting("database", "Database", required=True),
    Setting("user", "User", help="Left empty, the user name of the credential."),
    Setting("sslmode", "Encryption", kind=SettingKind.CHOICE, default="prefer", choices=SSL_MODES),
    Setting("schema", "Schema", default="public", help="Its tables and views are the streams."),
)


@dataclass(frozen=True)
class PostgresSettings:
    """Checked settings of one connector."""

    host: str
    port: int
    database: str
    schema: str
    sslmode: str
    user: str
    password: str = field(repr=False)

    @classmethod
    def of(cls, context: Context) -> PostgresSettings:
        """Check and return the settings of a context; raises NeedsPerson with the name of the wrong one."""
        settings = context.settings
        refuse_unknown_settings(settings, frozenset(setting.name for setting in SETTINGS))
        user = _text(settings, "user") or context.credential.get("username", "")
        if not user:
            raise NeedsPerson(CREDENTIAL_MISSING, "There is no user to sign in to PostgreSQL with.")
        return cls(
            host=_host(settings),
            port=_port(settings),
            database=_database(settings),
            schema=_text(settings, "schema", "public"),
            sslmode=_sslmode(settings),
            user=user,
            password=context.credential.get("password", ""),
        )

    def conninfo(self, allow: tuple[str, ...], limits: Limits) -> str:
        """Check the address, then return the connection string; raises what the egress check raises."""
        address = egress.resolve_checked(self.host, self.port, allow)
        return make_conninfo(
            host=self.host,
            hostaddr=address,
            port=str(self.port),
            dbname=self.database,
            user=self.user,
            password=self.password,
            sslmode=self.sslmode,
            **_fixed_options(self.sslmode, limits),
        )


def _fixed_options(sslmode: str, limits: Limits) -> dict[str, str]:
    """What every connection gets; empty values shut out the environment and the home folder of the worker."""
    verify = {"sslrootcert": "system"} if sslmode == "verify-full" else {}
    return verify | {
        "application_name": "signalbox",
        "options": "",
        "passfile": "/dev/null/none",
        "sslcertmode": "disable",
        "gssencmode": "disable",
        "connect_timeout": str(max(2, round(limits.connect_timeout_seconds))),
        "keepalives": "1",
        "keepalives_idle": "10",
        "keepalives_interval": "5",
        "keepalives_count": "3",
        "tcp_user_timeout": str(round(limits.read_timeout_seconds * 1000)),
    }


def _text(settings: Mapping[str, Any], name: str, default: str = "") -> str:
    value = settings.get(name) or default
    if not isinstance(value, str) or any(ord(letter) < 32 for letter in value):
        raise NeedsPerson(SETTINGS_INVALID, f"The setting {name!r} must be plain text.", setting=name)
    return value


def _host(settings: Mapping[str, Any]) -> str:
    host = _text(settings, "host")
    if not host or any(letter in host for letter in "/\\@, ="):
        message = "The host must be one host name or address; a socket directory or a list of hosts is refused."
        raise NeedsPerson(SETTINGS_INVALID, message, setting="host")
    # The name in its one form: what is checked is what libpq reads.
    return egress.parse_host(host)


def _database(settings: Mapping[str, Any]) -> str:
    # libpq reads a "database name" with `=` or a scheme as a whole connection string in some of its calls.
    database = _text(settings, "database")
    if not database or "=" in database or "://" in database:
        raise NeedsPerson(SETTINGS_INVALID, "The database must be the name of one database.", setting="database")
    return database


def _port(settings: Mapping[str, Any]) -> int:
    port = 5432 if settings.get("port") in (None, "") else settings["port"]
    if isinstance(port, bool) or not str(port).isdecimal() or not 0 < int(port) < 65536:
        raise NeedsPerson(SETTINGS_INVALID, "The port must be a number from 1 to 65535.", setting="port")
    return int(port)


def _sslmode(settings: Mapping[str, Any]) -> str:
    mode = _text(settings, "sslmode", "prefer")
    if mode not in dict(SSL_MODES):
        raise NeedsPerson(SETTINGS_INVALID, "The encryption is none of the offered choices.", setting="sslmode")
    return mode
