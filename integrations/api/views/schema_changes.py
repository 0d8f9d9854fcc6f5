"""REST: changes of sources' columns; list them, look at their values, mark them as seen."""

from __future__ import annotations

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import mixins
from rest_framework.request import Request
from rest_framework.response import Response

from integrations.api.base import StrictViewSet
from integrations.api.filters import SchemaChangeFilter
from integrations.api.serializers import schema_changes as shapes
from integrations.models import SchemaChange
from integrations.services import drift


class SchemaChangeView(mixins.ListModelMixin, mixins.RetrieveModelMixin, StrictViewSet[SchemaChange]):
    """Changes of columns, the newest first."""

    permissions = {
        "list": "integration.read",
        "retrieve": "integration.read",
        "values": "data.sample.read",
        "resolve": "integration.manage",
    }
    queryset = SchemaChange.objects.none()
    serializer_class = shapes.SchemaChangeSerializer
    filterset_class = SchemaChangeFilter
    lookup_url_kwarg = "change_id"

    def get_queryset(self) -> QuerySet[SchemaChange]:
        """The changes of the workspace in the address."""
        return SchemaChange.objects.of(self.workspace).select_related("workspace", "deployment", "version")

    @extend_schema(responses=shapes.ColumnValuesSerializer)
    def values(self, request: Request, workspace: str, change_id: str) -> Response:  # noqa: ARG002 - DRF passes the address
        """A few values of the column, as the run that found the change read them."""
        return Response({"values": drift.sample_of(self.get_object())})

    @extend_schema(request=shapes.SeenSerializer, responses=shapes.SchemaChangeSerializer)
    def resolve(self, request: Request, workspace: str, change_id: str) -> Response:  # noqa: ARG002 - as above
        """Mark the change as seen: from now on the column is known as it is now."""
        change = self.get_object()
        given = self.checked(shapes.SeenSerializer)
        change = drift.resolve(change=change, note=given["note"], user=self.person)
        return Response(self.shown(shapes.SchemaChangeSerializer, change))
