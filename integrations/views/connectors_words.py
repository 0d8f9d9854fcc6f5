"""What the pages of connectors say: settings as declared, streams with their columns."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from integrations.connectors.base import PluginSpec, Setting, SettingKind, Stream
from integrations.domain.guarantee import EXPLANATIONS
from integrations.models import Connector
from integrations.pipeline.batch import columns_of

SHOWN_STREAMS = 100


@dataclass(frozen=True)
class ShownSetting:
    """A setting in words; `text` is a block of JSON where `is_block`."""

    setting: Setting
    text: str
    is_block: bool = False
    is_default: bool = False


@dataclass(frozen=True)
class ShownStream:
    """A stream with its columns (name, type); None where only reading tells."""

    stream: Stream
    columns: tuple[tuple[str, str], ...] | None


@dataclass(frozen=True)
class CatalogueEntry:
    """A plugin as its card says it."""

    spec: PluginSpec
    guarantee: str


def catalogue_entry(spec: PluginSpec) -> CatalogueEntry:
    """The card of a plugin; only a destination has a guarantee."""
    return CatalogueEntry(spec, EXPLANATIONS[spec.guarantee] if spec.guarantee else "")


def settings_of(connector: Connector, spec: PluginSpec) -> list[ShownSetting]:
    """The settings that count, in the order of the declaration; secrets stand in credentials."""
    declared = [setting for setting in spec.settings if setting.name in connector.settings]
    return [_shown(setting, connector.settings[setting.name]) for setting in declared]


def _shown(setting: Setting, value: object) -> ShownSetting:
    is_default = value == setting.default
    if setting.kind is SettingKind.JSON:
        text = json.dumps(value, indent=2, ensure_ascii=False)
        return ShownSetting(setting, text, is_block=len(text) > 40, is_default=is_default)
    if setting.kind is SettingKind.BOOLEAN:
        return ShownSetting(setting, "yes" if value else "no", is_default=is_default)
    if setting.kind is SettingKind.CHOICE:
        return ShownSetting(setting, dict(setting.choices).get(str(value), str(value)), is_default=is_default)
    return ShownSetting(setting, str(value), is_default=is_default)


def streams_shown(streams: Sequence[Stream], words: str) -> list[ShownStream]:
    """At most `SHOWN_STREAMS` of those whose name holds the words."""
    fitting = [stream for stream in streams if words.casefold() in stream.name.casefold()]
    return [
        ShownStream(stream, None if stream.schema is None else tuple(columns_of(stream.schema).items()))
        for stream in fitting[:SHOWN_STREAMS]
    ]
