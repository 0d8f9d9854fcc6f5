"""Every connector plugin by its key: one import and one line for each."""

from __future__ import annotations

from accounts.errors import INPUT_INVALID, Invalid
from integrations.connectors.base import Connector
from integrations.connectors.files import FilesConnector
from integrations.connectors.postgres import PostgresConnector
from integrations.connectors.rest_api import RestApiConnector
from integrations.connectors.sqlite import SqliteConnector

PLUGINS: tuple[type[Connector], ...] = (
    FilesConnector,
    PostgresConnector,
    RestApiConnector,
    SqliteConnector,
)

CONNECTORS: dict[str, type[Connector]] = {plugin.spec.key: plugin for plugin in PLUGINS}


def get(key: str) -> type[Connector]:
    """The plugin of that key. Raises Invalid, naming those there are."""
    try:
        return CONNECTORS[key]
    except KeyError:
        raise Invalid(
            INPUT_INVALID,
            f"There is no connector plugin “{key}”.",
            fields={"plugin": f"Choose one of: {', '.join(CONNECTORS)}."},
        ) from None
