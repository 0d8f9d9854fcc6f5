"""Reads connectors for the list and the detail page: who uses them, and what happened to them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from django.db.models import Q, QuerySet

from accounts.models import Workspace
from integrations.connectors import registry
from integrations.connectors.base import PluginSpec
from integrations.models import Breaker, Connector, Deployment, Event, Integration, IntegrationVersion
from integrations.services.limits_overview import breakers_of
from integrations.views.name_pages import NamePage, page_by_name

HISTORY = 30


@dataclass(frozen=True)
class Row:
    """One line of the list."""

    connector: Connector
    spec: PluginSpec
    used_by: int
    breaker: Breaker | None = None


@dataclass(frozen=True)
class Use:
    """An integration that reads or writes a connector, by its active version or only by an older one."""

    integration: Integration
    reads: str
    writes: str

    @property
    def is_active(self) -> bool:
        return bool(self.reads or self.writes)


def narrowed(workspace: Workspace, wanted: Mapping[str, str]) -> QuerySet[Connector]:
    """The connectors that the filters leave."""
    found = Connector.objects.of(workspace).select_related("credential")
    fields = {"q": "name__icontains", "plugin": "plugin", "environment": "environment", "state": "check_state"}
    return found.filter(**{fields[name]: value for name, value in wanted.items()})


def list_connectors(
    workspace: Workspace, wanted: Mapping[str, str], asked: Mapping[str, str]
) -> tuple[list[Row], NamePage[Connector]]:
    """One page of the list, in three queries."""
    page = page_by_name(narrowed(workspace, wanted), asked, kept=wanted)
    users = _users(workspace, page.rows)
    opened = breakers_of(workspace, page.rows)
    rows = [Row(each, registry.get(each.plugin).spec, len(users[each.pk]), opened.get(each.pk)) for each in page.rows]
    return rows, page


def _users(workspace: Workspace, connectors: Sequence[Connector]) -> dict[UUID, set[UUID]]:
    """The integrations that use each connector, by their active versions."""
    either = Q(version__source__in=connectors) | Q(version__destination__in=connectors)
    ends = Deployment.objects.of(workspace).filter(either)
    users: dict[UUID, set[UUID]] = defaultdict(set)
    for integration, source, destination in ends.values_list(
        "integration_id", "version__source_id", "version__destination_id"
    ):
        users[source].add(integration)
        users[destination].add(integration)
    return users


def uses_of(workspace: Workspace, connector: Connector) -> list[Use]:
    """Who uses a connector; older versions count, because they keep it from being deleted."""
    versions = IntegrationVersion.objects.filter(
        Q(source=connector) | Q(destination=connector), integration__workspace=workspace
    ).select_related("integration")
    integrations = {version.integration_id: version.integration for version in versions.defer("mapping")}
    active = {
        deployment.integration_id: deployment.version
        for deployment in Deployment.objects.of(workspace)
        .filter(integration__in=integrations)
        .select_related("version")
        .defer("cursor", "version__mapping")
    }
    uses = [_use(integration, active.get(key), connector) for key, integration in integrations.items()]
    return sorted(uses, key=lambda use: (not use.is_active, use.integration.name))


def _use(integration: Integration, version: IntegrationVersion | None, connector: Connector) -> Use:
    reads = version.source_stream if version and version.source_id == connector.pk else ""
    writes = version.destination_stream if version and version.destination_id == connector.pk else ""
    return Use(integration, reads, writes)


def history_of(workspace: Workspace, connector: Connector) -> list[Event]:
    """What happened to a connector, the newest first."""
    found = Event.objects.filter(workspace=workspace, topic="connector", object_id=connector.pk)
    return list(found.order_by("-id")[:HISTORY])
