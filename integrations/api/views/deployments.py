"""REST: what is done to the active version of an integration: activate, switch, schedule, run, reset."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, cast

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response

from integrations.api.base import NO_CONTENT, StrictViewSet
from integrations.api.serializers import integrations as shapes
from integrations.api.serializers.approvals import ApprovalSerializer
from integrations.api.serializers.common import ReasonSerializer
from integrations.api.serializers.runs import RunSerializer
from integrations.domain.blackout import blackout_of
from integrations.domain.lifecycle import Trigger
from integrations.domain.misfire import Misfire, Plan
from integrations.domain.schedule import ScheduleKind, Timetable
from integrations.models import Deployment, IntegrationVersion, Schedule
from integrations.services import integrations, runs, schedules
from integrations.services.approvals import activate_or_ask


def _plan(stored: Schedule | None, table: Timetable, beside: dict[str, Any]) -> Plan:
    """The timetable with what is given beside it; what is left out stays as it is."""
    kept = replace(schedules.plan_of(stored), table=table) if stored else Plan(table)
    if "blackout" in beside:
        beside["blackout"] = blackout_of(beside["blackout"] or {"time_zone": table.time_zone})
    if "misfire" in beside:
        beside["misfire"] = Misfire(beside["misfire"])
    return replace(kept, **beside)


class DeploymentView(StrictViewSet[Deployment]):
    """What is done to the active version of an integration."""

    permissions = {
        "activate": "integration.manage",
        "enable": "integration.enable",
        "disable": "integration.enable",
        "reset_checkpoint": "checkpoint.reset",
        "start_run": "run.start",
        "schedule": "integration.read",
        "set_schedule": "integration.manage",
        "remove_schedule": "integration.manage",
    }
    queryset = Deployment.objects.none()
    serializer_class = shapes.DeploymentSerializer
    lookup_field, lookup_url_kwarg = "integration_id", "integration_id"

    def get_queryset(self) -> QuerySet[Deployment]:
        """The deployments of the workspace in the address."""
        return Deployment.objects.of(self.workspace).select_related(
            "workspace", "integration__workspace", "version__source", "version__destination", "schedule"
        )

    @extend_schema(
        request=shapes.ActivateSerializer, responses={200: shapes.DeploymentSerializer, 202: ApprovalSerializer}
    )
    def activate(self, request: Request, workspace: str, integration_id: str) -> Response:  # noqa: ARG002 - as above
        """Make a version the active one, or (202) ask for the approval that the policy wants; a run keeps its own."""
        deployment = self.get_object()
        number = self.checked(shapes.ActivateSerializer)["version"]
        versions = IntegrationVersion.objects.select_related("source", "destination")
        version = self.found(versions.filter(integration=deployment.integration_id), number=number)
        asked = activate_or_ask(deployment=deployment, version=version, user=self.person)
        if asked:
            return Response(self.shown(ApprovalSerializer, asked), status=status.HTTP_202_ACCEPTED)
        return self._now()

    @extend_schema(request=None, responses=shapes.DeploymentSerializer)
    def enable(self, request: Request, workspace: str, integration_id: str) -> Response:  # noqa: ARG002 - as above
        """Let the schedule start runs."""
        integrations.set_enabled(deployment=self._acted_on(), enabled=True)
        return self._now()

    @extend_schema(request=None, responses=shapes.DeploymentSerializer)
    def disable(self, request: Request, workspace: str, integration_id: str) -> Response:  # noqa: ARG002 - as above
        """Keep the schedule from starting runs; one that is under way goes on."""
        integrations.set_enabled(deployment=self._acted_on(), enabled=False)
        return self._now()

    @extend_schema(request=ReasonSerializer, responses=shapes.DeploymentSerializer)
    def reset_checkpoint(self, request: Request, workspace: str, integration_id: str) -> Response:  # noqa: ARG002 - as above
        """Forget the cursor: the next run reads the stream from its start."""
        deployment = self.get_object()
        integrations.reset_checkpoint(deployment=deployment, reason=self.checked(ReasonSerializer)["reason"])
        return self._now()

    @extend_schema(request=None, responses={202: RunSerializer})
    def start_run(self, request: Request, workspace: str, integration_id: str) -> Response:  # noqa: ARG002 - as above
        """Queue a run of the active version."""
        run = runs.start_run(deployment=self._acted_on(), trigger=Trigger.API, user=self.person)
        return self.accepted(RunSerializer, run, "api-run", run_id=run.pk)

    @extend_schema(responses=shapes.ScheduleSerializer)
    def schedule(self, request: Request, workspace: str, integration_id: str) -> Response:  # noqa: ARG002 - as above
        """When it runs by itself; 404 where it does not."""
        return Response(self.shown(shapes.ScheduleSerializer, self._schedule()))

    @extend_schema(request=shapes.ScheduleChangeSerializer, responses=shapes.ScheduleSerializer)
    def set_schedule(self, request: Request, workspace: str, integration_id: str) -> Response:  # noqa: ARG002 - as above
        """Set when it runs by itself; the next time is counted from now."""
        deployment = self.get_object()
        given = self.checked(shapes.ScheduleChangeSerializer)
        enabled, kind = given.pop("enabled"), ScheduleKind(given.pop("kind"))
        beside: dict[str, Any] = {
            name: given.pop(name) for name in ("misfire", "catch_up_most", "blackout") if name in given
        }
        plan = _plan(getattr(deployment, "schedule", None), Timetable(kind, **given), beside)
        schedule = schedules.set_plan(deployment=deployment, plan=plan, enabled=enabled)
        return Response(self.shown(shapes.ScheduleSerializer, schedule))

    @extend_schema(responses={204: NO_CONTENT})
    def remove_schedule(self, request: Request, workspace: str, integration_id: str) -> Response:  # noqa: ARG002 - as above
        """Take the schedule away."""
        schedules.remove_schedule(deployment=self.get_object())
        return Response(status=status.HTTP_204_NO_CONTENT)

    def _acted_on(self) -> Deployment:
        deployment = self.get_object()
        self.no_body()
        return deployment

    def _now(self) -> Response:
        """The deployment as it is after the change."""
        return Response(self.shown(shapes.DeploymentSerializer, self.get_object()))

    def _schedule(self) -> Schedule:
        schedule = getattr(self.get_object(), "schedule", None)
        if schedule is None:
            raise NotFound("This integration has no schedule: it runs only when asked to.")
        return cast(Schedule, schedule)
