"""REST: records that were set aside; look at them, send them again, or give up on them."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import mixins
from rest_framework.exceptions import NotFound
from rest_framework.generics import get_object_or_404
from rest_framework.request import Request
from rest_framework.response import Response

from integrations.api.base import StrictViewSet
from integrations.api.filters import DeadLetterFilter
from integrations.api.serializers import dead_letters as shapes
from integrations.api.serializers.runs import RunSerializer
from integrations.models import DeadLetter, Deployment
from integrations.services import dead_letters


class DeadLetterView(mixins.ListModelMixin, mixins.RetrieveModelMixin, StrictViewSet[DeadLetter]):
    """Dead letters, the newest first."""

    permissions = {
        "list": "deadletter.read",
        "retrieve": "deadletter.read",
        "payload": "deadletter.payload.read",
        "redrive": "deadletter.redrive",
        "discard": "deadletter.discard",
    }
    queryset = DeadLetter.objects.none()
    serializer_class = shapes.DeadLetterSerializer
    filterset_class = DeadLetterFilter
    lookup_url_kwarg = "letter_id"

    def get_queryset(self) -> QuerySet[DeadLetter]:
        """The letters of the workspace in the address; the payload is read only where it is asked for."""
        rows = DeadLetter.objects.of(self.workspace).select_related("integration")
        return rows if self.action == "payload" else rows.defer("payload")

    @extend_schema(responses=shapes.PayloadSerializer)
    def payload(self, request: Request, workspace: str, letter_id: str) -> Response:  # noqa: ARG002 - DRF passes the address
        """The record as it was read."""
        return Response({"payload": dead_letters.payload_of(self.get_object())})

    @extend_schema(request=shapes.RedriveSerializer, responses={202: RunSerializer})
    def redrive(self, request: Request, workspace: str) -> Response:  # noqa: ARG002 - as above
        """Start a run that maps and writes letters of one integration again."""
        given = self.checked(shapes.RedriveSerializer)
        deployments = Deployment.objects.of(self.workspace).select_related("integration", "version")
        deployment = get_object_or_404(deployments, integration=given["integration"])
        ids = given.get("ids")
        if ids is not None:
            self._named(ids, DeadLetter.objects.of(self.workspace).filter(integration=given["integration"]))
        run = dead_letters.redrive(deployment=deployment, letter_ids=ids, user=self.person)
        return self.accepted(RunSerializer, run, "api-run", run_id=run.pk)

    @extend_schema(request=shapes.DiscardSerializer, responses=shapes.DiscardedSerializer)
    def discard(self, request: Request, workspace: str) -> Response:  # noqa: ARG002 - as above
        """Give up on letters, with a reason for the audit log."""
        given = self.checked(shapes.DiscardSerializer)
        letters = self._named(given["ids"], self.get_queryset().select_related("workspace"))
        return Response({"discarded": dead_letters.discard(letters=letters, reason=given["reason"])})

    def _named(self, ids: Sequence[UUID], rows: QuerySet[DeadLetter]) -> list[DeadLetter]:
        """The letters of those ids: all of them, or none (one foreign id, and nothing is done)."""
        found = list(rows.filter(pk__in=ids))
        if len(found) != len(set(ids)):
            raise NotFound("One or more of these dead letters do not exist in this workspace; nothing was changed.")
        return found
