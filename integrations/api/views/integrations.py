"""REST: integrations, and what is active of them."""

from __future__ import annotations

from django.db.models import Prefetch, QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import mixins, status
from rest_framework.request import Request
from rest_framework.response import Response

from integrations.api.base import NO_CONTENT, StrictViewSet
from integrations.api.filters import IntegrationFilter
from integrations.api.serializers import integrations as shapes
from integrations.models import Deployment, Integration
from integrations.services import integrations
from integrations.services.integrations import Flow

_DEPLOYMENTS = Deployment.objects.select_related("version__source", "version__destination", "schedule")


class IntegrationView(mixins.ListModelMixin, mixins.RetrieveModelMixin, StrictViewSet[Integration]):
    """Source stream -> mapping -> destination stream, under policies."""

    permissions = {
        "list": "integration.read",
        "retrieve": "integration.read",
        "create": "integration.manage",
        "partial_update": "integration.manage",
        "destroy": "integration.manage",
    }
    queryset = Integration.objects.none()
    serializer_class = shapes.IntegrationSerializer
    filterset_class = IntegrationFilter
    lookup_url_kwarg = "integration_id"

    def get_queryset(self) -> QuerySet[Integration]:
        """The integrations of the workspace in the address, with what is active of each."""
        rows = Integration.objects.of(self.workspace).select_related("workspace", "policy")
        return rows.prefetch_related(Prefetch("deployments", _DEPLOYMENTS.order_by("environment")))

    @extend_schema(request=shapes.IntegrationCreateSerializer, responses={201: shapes.IntegrationSerializer})
    def create(self, request: Request, workspace: str) -> Response:  # noqa: ARG002 - DRF passes the address
        """Make an integration with its first version: active at once, or `held` until a second person approves."""
        given = self.checked(shapes.IntegrationCreateSerializer)
        flow = Flow(**given.pop("version"))
        made = integrations.create_integration(workspace=self.workspace, flow=flow, user=self.person, **given)
        return self.created(shapes.IntegrationSerializer, made, "api-integration", integration_id=made.pk)

    @extend_schema(request=shapes.IntegrationChangeSerializer, responses=shapes.IntegrationSerializer)
    def partial_update(self, request: Request, workspace: str, integration_id: str) -> Response:  # noqa: ARG002 - as above
        """Change the description or the policy; everything else is a new version."""
        found = self.get_object()
        kept = {"description": found.description, "policy": found.policy}
        given = self.checked(shapes.IntegrationChangeSerializer, partial=True)
        changed = integrations.change_integration(integration=found, **{**kept, **given})
        return Response(self.shown(shapes.IntegrationSerializer, changed))

    @extend_schema(responses={204: NO_CONTENT})
    def destroy(self, request: Request, workspace: str, integration_id: str) -> Response:  # noqa: ARG002 - as above
        """Delete an integration with its versions, runs and dead letters."""
        integrations.delete_integration(integration=self.get_object())
        return Response(status=status.HTTP_204_NO_CONTENT)
