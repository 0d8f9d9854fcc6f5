"""REST: what reads again (backfill, replay), each with a look ahead, and what starts after what."""

from __future__ import annotations

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import mixins, status
from rest_framework.request import Request
from rest_framework.response import Response

from integrations.api.base import NO_CONTENT, OUTSIDE, StrictViewSet, require
from integrations.api.serializers import again as shapes
from integrations.api.serializers.integrations import DeploymentSerializer
from integrations.api.serializers.runs import RunSerializer
from integrations.domain.guarantee import WriteMode
from integrations.models import Chain, Deployment, Integration
from integrations.services import backfills, chains
from integrations.services.backfills import Checkpoint
from integrations.services.outlook import look_ahead
from integrations.services.runs import Begin


class AgainView(StrictViewSet[Deployment]):
    """Backfill and replay of an integration. What appends doubles records, and needs `checkpoint.reset` as well."""

    permissions = {
        "backfill": "run.start",
        "preview_backfill": "run.start",
        "replay": "run.start",
        "preview_replay": "run.start",
    }
    queryset = Deployment.objects.none()
    serializer_class = DeploymentSerializer
    lookup_field, lookup_url_kwarg = "integration_id", "integration_id"

    def get_queryset(self) -> QuerySet[Deployment]:
        """The deployments of the workspace in the address."""
        return Deployment.objects.of(self.workspace).select_related(
            "workspace", "integration__workspace", "integration__policy", "version__source", "version__destination"
        )

    @extend_schema(request=shapes.BackfillSerializer, responses={202: RunSerializer})
    def backfill(self, request: Request, workspace: str, integration_id: str) -> Response:  # noqa: ARG002 - DRF passes the address
        """Queue a run that reads a past range again, and leaves the stream's checkpoint where it is."""
        deployment = self.get_object()
        given = self.checked(shapes.BackfillSerializer)
        self._require_leave(deployment, goes_on=False)
        run = backfills.start_backfill(deployment=deployment, user=self.person, **given)
        return self.accepted(RunSerializer, run, "api-run", run_id=run.pk)

    @extend_schema(request=shapes.BackfillSerializer, responses={200: shapes.OutlookSerializer, **OUTSIDE})
    def preview_backfill(self, request: Request, workspace: str, integration_id: str) -> Response:  # noqa: ARG002 - as above
        """What a backfill would send."""
        deployment = self.get_object()
        return self._look(deployment, backfills.backfill_begin(**self.checked(shapes.BackfillSerializer)))

    @extend_schema(request=shapes.ReplaySerializer, responses={202: RunSerializer})
    def replay(self, request: Request, workspace: str, integration_id: str) -> Response:  # noqa: ARG002 - as above
        """Queue a run that reads on from an older checkpoint."""
        deployment = self.get_object()
        given = self.checked(shapes.ReplaySerializer)
        self._require_leave(deployment, goes_on=given["goes_on"])
        checkpoint = Checkpoint(given["run"], given["batch"])
        run = backfills.start_replay(
            deployment=deployment, checkpoint=checkpoint, goes_on=given["goes_on"], user=self.person
        )
        return self.accepted(RunSerializer, run, "api-run", run_id=run.pk)

    @extend_schema(request=shapes.ReplaySerializer, responses={200: shapes.OutlookSerializer, **OUTSIDE})
    def preview_replay(self, request: Request, workspace: str, integration_id: str) -> Response:  # noqa: ARG002 - as above
        """What a replay would send."""
        deployment = self.get_object()
        given = self.checked(shapes.ReplaySerializer)
        checkpoint = Checkpoint(given["run"], given["batch"])
        return self._look(deployment, backfills.replay_begin(deployment, checkpoint, goes_on=given["goes_on"]))

    def _require_leave(self, deployment: Deployment, *, goes_on: bool) -> None:
        if goes_on:
            require(self.asked.access, "checkpoint.reset", "To go on from there")
        if deployment.version.write_mode == WriteMode.APPEND:
            require(self.asked.access, "checkpoint.reset", "What appends, and so doubles records,")

    def _look(self, deployment: Deployment, begin: Begin) -> Response:
        seen = look_ahead(deployment=deployment, begin=begin)
        return Response(seen.to_json(with_samples=self.asked.access.allows("data.sample.read")))


class ChainView(mixins.ListModelMixin, StrictViewSet[Chain]):
    """What an integration starts after."""

    permissions = {"list": "integration.read", "create": "integration.manage", "destroy": "integration.manage"}
    queryset = Chain.objects.none()
    serializer_class = shapes.ChainSerializer
    lookup_url_kwarg = "chain_id"
    cursor_ordering = ("id",)

    def get_queryset(self) -> QuerySet[Chain]:
        """The chains of the integration in the address."""
        found = self.found(Integration.objects.of(self.workspace), pk=self.kwargs["integration_id"])
        rows = Chain.objects.of(self.workspace).filter(deployment__integration=found)
        return rows.select_related("workspace", "deployment", "upstream__integration")

    @extend_schema(request=shapes.ChainCreateSerializer, responses={201: shapes.ChainSerializer})
    def create(self, request: Request, workspace: str, integration_id: str) -> Response:  # noqa: ARG002 - as above
        """Let it start after another integration; a circle is refused."""
        rows = Deployment.objects.of(self.workspace).select_related("integration", "workspace")
        deployment = self.found(rows, integration=self.kwargs["integration_id"])
        given = self.checked(shapes.ChainCreateSerializer)
        chain = chains.add_chain(
            deployment=deployment, upstream=self.found(rows, integration=given["upstream"]),
            after_warnings=given["after_warnings"], user=self.person,
        )  # fmt: skip
        return Response(self.shown(shapes.ChainSerializer, chain), status=status.HTTP_201_CREATED)

    @extend_schema(responses={204: NO_CONTENT})
    def destroy(self, request: Request, workspace: str, integration_id: str, chain_id: str) -> Response:  # noqa: ARG002 - as above
        """Let it no longer start after the other."""
        chains.remove_chain(chain=self.get_object())
        return Response(status=status.HTTP_204_NO_CONTENT)
