"""Says at the form's field what is wrong with an address for good, before anything is sent there.

What the instance may open one day (a private address, an odd port) is refused when it is used; so is a name that leads
there.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from integrations.connectors.base import PluginSpec, SettingKind
from integrations.egress import check_host_syntax, parse_url
from integrations.errors import NeedsPerson


def address_problems(spec: PluginSpec, values: Mapping[str, Any]) -> dict[str, str]:
    """The problems of declared URLs and of the setting `host`, by setting name."""
    problems: dict[str, str] = {}
    for setting in spec.settings:
        value = values.get(setting.name)
        try:
            if value and setting.kind is SettingKind.URL:
                check_host_syntax(parse_url(str(value)).host)
            elif value and setting.name == "host":
                check_host_syntax(str(value))
        except NeedsPerson as error:
            problems[setting.name] = f"{error.message} {error.what_to_do}".strip()
    return problems
