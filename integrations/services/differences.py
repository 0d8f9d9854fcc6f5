"""Says how two versions of an integration differ."""

from __future__ import annotations

from collections.abc import Mapping as Dictionary
from dataclasses import dataclass
from typing import Any

from integrations.domain.mapping import Difference, Mapping, diff_mappings
from integrations.models import IntegrationVersion
from integrations.services.integrations import flow_values


@dataclass(frozen=True)
class VersionDifference:
    """The values that differ, by the version's field (before, after), and how the mappings differ."""

    values: Dictionary[str, tuple[Any, Any]]
    mapping: Difference

    @property
    def is_empty(self) -> bool:
        return not self.values and self.mapping.is_empty


def difference_of(before: IntegrationVersion, after: IntegrationVersion) -> VersionDifference:
    """What has to happen to `before` to become `after`; the mappings are told apart field by field."""
    old, new = flow_values(before), flow_values(after)
    values = {name: (old[name], new[name]) for name in old if name != "mapping" and old[name] != new[name]}
    return VersionDifference(values, diff_mappings(Mapping.from_json(before.mapping), Mapping.from_json(after.mapping)))
