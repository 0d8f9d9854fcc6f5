"""Every connector plugin by its key: one import and one line for each."""

from __future__ import annotations

from integrations.connectors.base import Connector

PLUGINS: tuple[type[Connector], ...] = (
    # one class a line, by name
)

CONNECTORS: dict[str, type[Connector]] = {plugin.spec.key: plugin for plugin in PLUGINS}
