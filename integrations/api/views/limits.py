"""REST: what connectors share, and the hand that opens or closes a circuit breaker or ends a pause."""

from __future__ import annotations

from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from integrations.api.base import NO_CONTENT, StrictViewSet
from integrations.api.serializers import limits as shapes
from integrations.models import Breaker, Budget, Connector
from integrations.services import breakers, budgets
from integrations.services.limits_overview import limits_of_workspace


class BudgetView(StrictViewSet[Budget]):
    """What all calls with a credential, or to a host, share: the tightest of their policies holds."""

    permissions = {"list": "connector.read", "release": "connector.manage"}
    queryset = Budget.objects.none()
    serializer_class = shapes.BudgetLineSerializer
    pagination_class = None
    queries = {"list": frozenset()}
    lookup_url_kwarg = "budget_id"

    @extend_schema(operation_id="workspaces_budgets_list", responses=shapes.BudgetLineSerializer(many=True))
    def list(self, request: Request, workspace: str) -> Response:  # noqa: ARG002 - DRF passes the address
        """Every budget with its live use."""
        found = limits_of_workspace(self.workspace).budgets
        return Response(shapes.BudgetLineSerializer(found, many=True).data)

    @extend_schema(request=None, responses={204: NO_CONTENT})
    def release(self, request: Request, workspace: str, budget_id: str) -> Response:  # noqa: ARG002 - as above
        """End a pause that the other system asked for."""
        budget = self.found(Budget.objects.of(self.workspace).select_related("workspace", "credential"), pk=budget_id)
        self.no_body()
        budgets.release(budget=budget)
        return Response(status=status.HTTP_204_NO_CONTENT)


class BreakerView(StrictViewSet[Breaker]):
    """The circuit breakers of the hosts that connectors call."""

    permissions = {"list": "connector.read", "reset": "connector.manage", "trip": "connector.manage"}
    queryset = Breaker.objects.none()
    serializer_class = shapes.BreakerLineSerializer
    pagination_class = None
    queries = {"list": frozenset()}
    lookup_url_kwarg = "breaker_id"

    @extend_schema(operation_id="workspaces_breakers_list", responses=shapes.BreakerLineSerializer(many=True))
    def list(self, request: Request, workspace: str) -> Response:  # noqa: ARG002 - DRF passes the address
        """Every host with its breaker."""
        found = limits_of_workspace(self.workspace).breakers
        return Response(shapes.BreakerLineSerializer(found, many=True).data)

    @extend_schema(request=None, responses={204: NO_CONTENT})
    def reset(self, request: Request, workspace: str, breaker_id: str) -> Response:  # noqa: ARG002 - as above
        """Close a breaker by hand."""
        breaker = self.found(Breaker.objects.of(self.workspace).select_related("workspace"), pk=breaker_id)
        self.no_body()
        breakers.reset(breaker=breaker)
        return Response(status=status.HTTP_204_NO_CONTENT)

    @extend_schema(request=None, responses={204: NO_CONTENT})
    def trip(self, request: Request, workspace: str, connector_id: str) -> Response:  # noqa: ARG002 - as above
        """Open the breaker of a connector's host by hand; it stays open until a hand closes it."""
        connector = self.found(Connector.objects.of(self.workspace), pk=connector_id)
        self.no_body()
        breakers.trip(connector=connector)
        return Response(status=status.HTTP_204_NO_CONTENT)
