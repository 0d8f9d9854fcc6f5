"""REST: runs, their batches and their log."""

from __future__ import annotations

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import mixins
from rest_framework.request import Request
from rest_framework.response import Response

from integrations.api.base import StrictViewSet
from integrations.api.filters import RunEventFilter, RunFilter
from integrations.api.serializers import runs as shapes
from integrations.models import Event, Run, RunBatch
from integrations.services import continuation, pausing, runs


class RunView(mixins.ListModelMixin, mixins.RetrieveModelMixin, StrictViewSet[Run]):
    """What ran, runs and waits to run; the newest first."""

    # Who may cancel a run may pause it; to resume one is to let it go on from its checkpoint, as a retry does.
    permissions = {
        "list": "run.read",
        "retrieve": "run.read",
        "cancel": "run.cancel",
        "pause": "run.cancel",
        "resume": "run.retry",
        "retry": "run.retry",
    }
    queryset = Run.objects.none()
    serializer_class = shapes.RunSerializer
    filterset_class = RunFilter
    lookup_url_kwarg = "run_id"

    def get_queryset(self) -> QuerySet[Run]:
        """The runs of the workspace in the address; a partition is no line of the list, but found by its id."""
        found = Run.objects.of if self.action == "list" else Run.objects.with_partitions_of
        return _shown(found(self.workspace))

    @extend_schema(request=None, responses={202: shapes.RunSerializer})
    def cancel(self, request: Request, workspace: str, run_id: str) -> Response:  # noqa: ARG002 - DRF passes the address
        """Ask for a cancel: a queued run ends at once, a running one after its batch."""
        run = runs.cancel_run(run=self._acted_on())
        return self.accepted(shapes.RunSerializer, run, "api-run", run_id=run.pk)

    @extend_schema(request=None, responses={202: shapes.RunSerializer})
    def pause(self, request: Request, workspace: str, run_id: str) -> Response:  # noqa: ARG002 - as above
        """Ask for a pause: a queued run pauses at once, a running one after its batch. Its checkpoint is kept."""
        run = pausing.pause_run(run=self._acted_on())
        return self.accepted(shapes.RunSerializer, run, "api-run", run_id=run.pk)

    @extend_schema(request=None, responses={202: shapes.RunSerializer})
    def resume(self, request: Request, workspace: str, run_id: str) -> Response:  # noqa: ARG002 - as above
        """Let a paused run go on from its checkpoint."""
        run = pausing.resume_run(run=self._acted_on())
        return self.accepted(shapes.RunSerializer, run, "api-run", run_id=run.pk)

    @extend_schema(request=None, responses={202: shapes.RunSerializer})
    def retry(self, request: Request, workspace: str, run_id: str) -> Response:  # noqa: ARG002 - as above
        """Start a run that goes on at the checkpoint of one that failed or was cancelled."""
        run = continuation.continue_run(run=self._acted_on(), user=self.person)
        return self.accepted(shapes.RunSerializer, run, "api-run", run_id=run.pk)

    def _acted_on(self) -> Run:
        run = self.get_object()
        self.no_body()
        return run


class RunPartitionView(mixins.ListModelMixin, StrictViewSet[Run]):
    """The partitions of a run that was cut, in the order of their keys; each is a run of its own, under this one."""

    permissions = {"list": "run.read"}
    queryset = Run.objects.none()
    serializer_class = shapes.RunPartitionSerializer
    cursor_ordering = ("id",)

    def get_queryset(self) -> QuerySet[Run]:
        """The partitions of the run in the address."""
        return _shown(self.found(Run.objects.of(self.workspace), pk=self.kwargs["run_id"]).partitions.all())


class RunBatchView(mixins.ListModelMixin, StrictViewSet[RunBatch]):
    """The batches of a run, in order."""

    permissions = {"list": "run.read"}
    queryset = RunBatch.objects.none()
    serializer_class = shapes.RunBatchSerializer
    cursor_ordering = ("number",)

    def get_queryset(self) -> QuerySet[RunBatch]:
        """The batches of the run in the address."""
        return RunBatch.objects.filter(
            run=self.found(Run.objects.with_partitions_of(self.workspace), pk=self.kwargs["run_id"])
        )


class RunEventView(mixins.ListModelMixin, StrictViewSet[Event]):
    """The log of a run, in order. `after` gives what came since a line's `seq`."""

    permissions = {"list": "run.logs.read"}
    queryset = Event.objects.none()
    serializer_class = shapes.RunEventSerializer
    filterset_class = RunEventFilter
    cursor_ordering = ("seq",)

    def get_queryset(self) -> QuerySet[Event]:
        """The log of the run in the address."""
        run = self.found(Run.objects.with_partitions_of(self.workspace), pk=self.kwargs["run_id"])
        return Event.objects.filter(workspace=self.workspace, run_id=run.pk)


def _shown(rows: QuerySet[Run]) -> QuerySet[Run]:
    """The runs without the columns that no answer shows."""
    rows = rows.select_related("workspace", "deployment__integration", "version")
    return rows.defer("schema", "cursor", "start_cursor", "version__mapping", "deployment__cursor")
