"""REST: the immutable versions of an integration, and how two of them differ."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import mixins
from rest_framework.request import Request
from rest_framework.response import Response

from integrations.api.base import StrictViewSet
from integrations.api.serializers import integrations as shapes
from integrations.domain.mapping import FieldRule
from integrations.models import Integration, IntegrationVersion
from integrations.services import integrations
from integrations.services.differences import VersionDifference, difference_of
from integrations.services.integrations import Flow


class VersionView(mixins.ListModelMixin, mixins.RetrieveModelMixin, StrictViewSet[IntegrationVersion]):
    """The versions of an integration, the newest first; they are added, never edited."""

    permissions = {
        "list": "integration.read",
        "retrieve": "integration.read",
        "create": "integration.manage",
        "difference": "integration.read",
    }
    queryset = IntegrationVersion.objects.none()
    serializer_class = shapes.VersionSerializer
    cursor_ordering = ("-number",)
    lookup_field, lookup_url_kwarg = "number", "number"

    def get_queryset(self) -> QuerySet[IntegrationVersion]:
        """The versions of the integration in the address."""
        return IntegrationVersion.objects.filter(integration=self._integration()).select_related(
            "source", "destination"
        )

    @extend_schema(request=shapes.VersionCreateSerializer, responses={201: shapes.VersionSerializer})
    def create(self, request: Request, workspace: str, integration_id: str) -> Response:  # noqa: ARG002 - DRF passes the address
        """Add a version; it does nothing until it is activated."""
        integration = self._integration()
        flow = Flow(**self.checked(shapes.VersionCreateSerializer))
        version = integrations.add_version(integration=integration, flow=flow, user=self.person)
        where = {"integration_id": integration.pk, "number": version.number}
        return self.created(shapes.VersionSerializer, version, "api-integration-version", **where)

    @extend_schema(responses=shapes.DifferenceSerializer)
    def difference(
        self,
        request: Request,  # noqa: ARG002 - as above
        workspace: str,  # noqa: ARG002 - as above
        integration_id: str,  # noqa: ARG002 - as above
        number: int,
        other: int,
    ) -> Response:
        """What has to happen to version `number` to become version `other`."""
        before, after = self.get_object(), self.found(self.get_queryset(), number=other)
        return Response({"before": number, "after": other, **_difference(difference_of(before, after))})

    def _integration(self) -> Integration:
        rows = Integration.objects.of(self.workspace).select_related("workspace")
        found: Integration = self.found(rows, pk=self.kwargs["integration_id"])
        return found


def _difference(found: VersionDifference) -> dict[str, Any]:
    mapping = found.mapping
    return {
        "values": {name: _change(*pair) for name, pair in found.values.items()},
        "added": [_rule(rule) for rule in mapping.added],
        "removed": [_rule(rule) for rule in mapping.removed],
        "changed": [
            {
                "target": change.after.target,
                "before": _rule(change.before),
                "after": _rule(change.after),
                "changed": list(change.changed),
            }
            for change in mapping.changed
        ],
        "filter": _change(*mapping.filter) if mapping.filter else None,
        "reordered": mapping.reordered,
    }


def _change(before: Any, after: Any) -> dict[str, Any]:  # a value of any column
    return {"before": before, "after": after}


def _rule(rule: FieldRule) -> dict[str, Any]:
    return {"target": rule.target, "expression": rule.expression, "type": rule.type_name, "required": rule.required}
