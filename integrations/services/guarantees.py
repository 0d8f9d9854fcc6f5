"""What an integration really promises, from its destination's plugin, its stream and how it is written."""

from __future__ import annotations

from integrations.connectors import registry
from integrations.domain.guarantee import Guarantee, WriteMode, effective_guarantee
from integrations.models import IntegrationVersion


def guarantee_of(version: IntegrationVersion) -> Guarantee:
    """The guarantee of a version; its destination is read with it."""
    spec = registry.get(version.destination.plugin).spec
    declare = spec.stream_guarantee
    declared = declare(version.destination.settings, version.destination_stream) if declare else None
    return effective_guarantee(spec.guarantee, declared, WriteMode(version.write_mode))
