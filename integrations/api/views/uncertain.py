"""REST: batches that may have arrived twice; list them, and say what was found."""

from __future__ import annotations

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import mixins
from rest_framework.request import Request
from rest_framework.response import Response

from integrations.api.base import StrictViewSet
from integrations.api.filters import UncertainBatchFilter
from integrations.api.serializers import uncertain as shapes
from integrations.domain.guarantee import Verdict
from integrations.models import UncertainBatch
from integrations.services import uncertain


class UncertainBatchView(mixins.ListModelMixin, mixins.RetrieveModelMixin, StrictViewSet[UncertainBatch]):
    """Batches that may have arrived twice, the newest first."""

    permissions = {"list": "run.read", "retrieve": "run.read", "resolve": "run.retry"}
    queryset = UncertainBatch.objects.none()
    serializer_class = shapes.UncertainBatchSerializer
    filterset_class = UncertainBatchFilter
    lookup_url_kwarg = "uncertain_id"

    def get_queryset(self) -> QuerySet[UncertainBatch]:
        """The batches of the workspace in the address."""
        return UncertainBatch.objects.of(self.workspace).select_related("workspace", "integration", "run")

    @extend_schema(request=shapes.ResolveUncertainSerializer, responses=shapes.UncertainBatchSerializer)
    def resolve(self, request: Request, workspace: str, uncertain_id: str) -> Response:  # noqa: ARG002 - DRF passes the address
        """Write down what was found at the destination, with a note."""
        batch = self.get_object()
        given = self.checked(shapes.ResolveUncertainSerializer)
        batch = uncertain.resolve(batch=batch, verdict=Verdict(given["verdict"]), note=given["note"], user=self.person)
        return Response(self.shown(shapes.UncertainBatchSerializer, batch))
