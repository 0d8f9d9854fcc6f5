"""REST: connectors, what they offer, and the catalogue of plugins."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import mixins, status
from rest_framework.request import Request
from rest_framework.response import Response

from integrations.api.base import NO_CONTENT, OUTSIDE, StrictViewSet, require
from integrations.api.filters import ConnectorFilter
from integrations.api.serializers import connectors as shapes
from integrations.connectors import registry
from integrations.connectors.base import Stream
from integrations.domain.mapping import identity_mapping
from integrations.models import Connector
from integrations.pipeline.batch import columns_of
from integrations.services import connectors, preview
from integrations.services.connectors import ConnectorInput


class PluginView(StrictViewSet[Connector]):
    """The catalogue: the kinds of systems that a connector can be made for."""

    permissions = {"list": "connector.read"}
    serializer_class = shapes.PluginSerializer
    queryset = Connector.objects.none()
    pagination_class = None
    queries = {"list": frozenset()}

    @extend_schema(operation_id="workspaces_plugins_list", responses=shapes.PluginSerializer(many=True))
    def list(self, request: Request, workspace: str) -> Response:  # noqa: ARG002 - DRF passes the address
        """Every plugin with its declared settings."""
        specs = [plugin.spec for _, plugin in sorted(registry.CONNECTORS.items())]
        return Response(shapes.PluginSerializer(specs, many=True).data)


class ConnectorView(mixins.ListModelMixin, mixins.RetrieveModelMixin, StrictViewSet[Connector]):
    """Configured instances of a plugin."""

    permissions = {
        "list": "connector.read",
        "retrieve": "connector.read",
        "create": "connector.manage",
        "update": "connector.manage",
        "partial_update": "connector.manage",
        "destroy": "connector.manage",
        "check": "connector.manage",
        "streams": "integration.manage",
        "preview": "data.sample.read",
    }
    queryset = Connector.objects.none()
    serializer_class = shapes.ConnectorSerializer
    filterset_class = ConnectorFilter
    lookup_url_kwarg = "connector_id"

    def get_queryset(self) -> QuerySet[Connector]:
        """The connectors of the workspace in the address."""
        return Connector.objects.of(self.workspace).select_related("credential", "policy", "workspace")

    @extend_schema(request=shapes.ConnectorCreateSerializer, responses={201: shapes.ConnectorSerializer})
    def create(self, request: Request, workspace: str) -> Response:  # noqa: ARG002 - DRF passes the address
        """Make a connector. To name a credential needs credential.use."""
        connector = self._save(None, ConnectorInput(**self.checked(shapes.ConnectorCreateSerializer)))
        return self.created(shapes.ConnectorSerializer, connector, "api-connector", connector_id=connector.pk)

    @extend_schema(request=shapes.ConnectorChangeSerializer, responses=shapes.ConnectorSerializer)
    def update(self, request: Request, workspace: str, connector_id: str) -> Response:  # noqa: ARG002 - as above
        """Replace what a connector is set to."""
        connector = self.get_object()
        return self._changed(connector, self.checked(shapes.ConnectorChangeSerializer))

    @extend_schema(request=shapes.ConnectorChangeSerializer, responses=shapes.ConnectorSerializer)
    def partial_update(self, request: Request, workspace: str, connector_id: str) -> Response:  # noqa: ARG002 - as above
        """Change the named fields; `settings` are replaced as a whole."""
        connector = self.get_object()
        return self._changed(connector, self.checked(shapes.ConnectorChangeSerializer, partial=True))

    @extend_schema(responses={204: NO_CONTENT})
    def destroy(self, request: Request, workspace: str, connector_id: str) -> Response:  # noqa: ARG002 - as above
        """Delete a connector that no integration uses."""
        connectors.delete_connector(connector=self.get_object())
        return Response(status=status.HTTP_204_NO_CONTENT)

    @extend_schema(request=None, responses=shapes.CheckResultSerializer)
    def check(self, request: Request, workspace: str, connector_id: str) -> Response:  # noqa: ARG002 - as above
        """Test the connection now, and store the verdict."""
        connector = self.get_object()
        self.no_body()
        result = connectors.check_connector(connector=connector)
        return Response({**self.shown(shapes.CheckResultSerializer, result), "milliseconds": connector.check_ms})

    @extend_schema(responses={200: shapes.StreamSerializer(many=True), **OUTSIDE})
    def streams(self, request: Request, workspace: str, connector_id: str) -> Response:  # noqa: ARG002 - as above
        """Ask the other system what it offers now."""
        found = connectors.streams_of(connector=self.get_object())
        return Response([self.shown(shapes.StreamSerializer, _stream(stream)) for stream in found])

    @extend_schema(request=shapes.PreviewRequestSerializer, responses={200: shapes.PreviewSerializer, **OUTSIDE})
    def preview(self, request: Request, workspace: str, connector_id: str) -> Response:  # noqa: ARG002 - as above
        """Try a mapping on the first records of a stream; nothing is stored."""
        source = self.get_object()
        tried = preview.preview(source=source, **self.checked(shapes.PreviewRequestSerializer))
        return Response(tried.to_json())

    def _changed(self, connector: Connector, given: dict[str, Any]) -> Response:
        kept = {
            name: getattr(connector, name)
            for name in ("name", "plugin", "environment", "settings", "credential", "policy")
        }
        saved = self._save(connector, ConnectorInput(**{**kept, **given}))
        return Response(self.shown(shapes.ConnectorSerializer, saved))

    def _save(self, connector: Connector | None, given: ConnectorInput) -> Connector:
        """Whoever names a credential, or where it is sent to, uses it: nobody sends a secret elsewhere without that."""
        kept = connector is not None and (connector.credential, connector.settings) == (
            given.credential,
            given.settings,
        )
        if given.credential and not kept:
            require(self.asked.access, "credential.use", "To choose a credential, or where it is sent to,")
        return connectors.save_connector(workspace=self.workspace, connector=connector, given=given)


def _stream(stream: Stream) -> dict[str, Any]:
    columns = None if stream.schema is None else columns_of(stream.schema)
    return {
        "name": stream.name,
        "primary_key": stream.primary_key,
        "cursor_fields": stream.cursor_fields,
        "estimated_records": stream.estimated_records,
        "columns": None if columns is None else [{"name": name, "type": kind} for name, kind in columns.items()],
        "proposed_mapping": None if columns is None else identity_mapping(columns).to_json(),
    }
