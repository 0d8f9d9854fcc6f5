"""REST: changes that wait for a second person, and their decision."""

from __future__ import annotations

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import mixins
from rest_framework.request import Request
from rest_framework.response import Response

from integrations.api.base import StrictViewSet, require
from integrations.api.serializers import approvals as shapes
from integrations.domain.approval import ApprovalKind
from integrations.models import ApprovalRequest
from integrations.services import approvals


class ApprovalView(mixins.ListModelMixin, mixins.RetrieveModelMixin, StrictViewSet[ApprovalRequest]):
    """Requests, the newest first."""

    permissions = {
        "list": "integration.read",
        "retrieve": "integration.read",
        "approve": "integration.manage",
        "decline": "integration.manage",
        "withdraw": "integration.manage",
    }
    queryset = ApprovalRequest.objects.none()
    serializer_class = shapes.ApprovalSerializer
    lookup_url_kwarg = "approval_id"

    def get_queryset(self) -> QuerySet[ApprovalRequest]:
        """The requests of the workspace in the address."""
        rows = ApprovalRequest.objects.of(self.workspace)
        return rows.select_related(
            "asked_by", "decided_by", "deployment__integration", "version", "policy", "workspace"
        )

    @extend_schema(request=shapes.DecisionSerializer, responses=shapes.ApprovalSerializer)
    def approve(self, request: Request, workspace: str, approval_id: str) -> Response:  # noqa: ARG002 - DRF passes the address
        """Approve: the change happens now. Refused for who asked."""
        return self._decided(approve=True)

    @extend_schema(request=shapes.DecisionSerializer, responses=shapes.ApprovalSerializer)
    def decline(self, request: Request, workspace: str, approval_id: str) -> Response:  # noqa: ARG002 - as above
        """Decline: nothing changes. Refused for who asked."""
        return self._decided(approve=False)

    @extend_schema(request=None, responses=shapes.ApprovalSerializer)
    def withdraw(self, request: Request, workspace: str, approval_id: str) -> Response:  # noqa: ARG002 - as above
        """Take back what one has asked for."""
        found = approvals.withdraw(request=self.get_object(), user=self.person)
        return Response(self.shown(shapes.ApprovalSerializer, found))

    def _decided(self, *, approve: bool) -> Response:
        note = self.checked(shapes.DecisionSerializer)["note"]
        asked = self.get_object()
        if asked.kind == ApprovalKind.POLICY:
            require(self.asked.access, "policy.manage", "Deciding about a policy")
        found = approvals.decide(request=asked, user=self.person, approve=approve, note=note)
        return Response(self.shown(shapes.ApprovalSerializer, found))
