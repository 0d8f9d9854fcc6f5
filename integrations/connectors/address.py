"""Which host and port a connector calls, by its declared settings: those that call the same one share its limits."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from integrations.connectors.base import PluginSpec, SettingKind

_PORTS = {"http": "80", "https": "443"}


def address_of(spec: PluginSpec, settings: Mapping[str, Any]) -> str:
    """`host:port` in lower case, or nothing for a connector that calls no host."""
    declared = {setting.name: setting for setting in spec.settings}
    for setting in spec.settings:
        if setting.kind is SettingKind.URL and settings.get(setting.name):
            return _of_url(str(settings[setting.name]))
    if "host" in declared and settings.get("host"):
        standard = declared["port"].default if "port" in declared else ""
        port = settings.get("port") or standard
        return _joined(str(settings["host"]), str(port))
    return ""


def _of_url(url: str) -> str:
    try:
        parts = urlsplit(url)
        return _joined(parts.hostname or "", str(parts.port or "") or _PORTS.get(parts.scheme.lower(), ""))
    except ValueError:  # no address at all; the plugin says so when it is used
        return ""


def _joined(host: str, port: str) -> str:
    host = host.strip().rstrip(".").lower()
    shown = f"[{host}]" if ":" in host and not host.startswith("[") else host
    return f"{shown}:{port}"[:300] if host else ""
