"""REST: records that were set aside; look at them, send them again, or give up on them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import mixins
from rest_framework.exceptions import NotFound
from rest_framework.generics import get_object_or_404
from rest_framework.request import Request
from rest_framework.response import Response

from integrations.api.base import StrictViewSet, require
from integrations.api.filters import DeadLetterFilter
from integrations.api.serializers import dead_letters as shapes
from integrations.api.serializers.runs import RunSerializer
from integrations.domain.lifecycle import DeadLetterState
from integrations.models import DeadLetter, Deployment, Integration
from integrations.services import dead_letter_bulk, dead_letter_trial, dead_letters
from integrations.services.dead_letter_changes import Setting
from integrations.services.dead_letter_lineage import lineage_of, with_successor
from integrations.services.masking import shown_record

_WITH_RECORD = frozenset({"payload", "correct", "try_redrive"})


class DeadLetterView(mixins.ListModelMixin, mixins.RetrieveModelMixin, StrictViewSet[DeadLetter]):
    """Dead letters, the newest first."""

    permissions = {
        "list": "deadletter.read",
        "retrieve": "deadletter.read",
        "lineage": "deadletter.read",
        "payload": "deadletter.payload.read",
        "correct": "deadletter.payload.read",
        "try_correction": "deadletter.payload.read",
        "correct_many": "deadletter.payload.read",
        "try_redrive": "deadletter.redrive",
        "redrive": "deadletter.redrive",
        "discard": "deadletter.discard",
    }
    queryset = DeadLetter.objects.none()
    serializer_class = shapes.DeadLetterSerializer
    filterset_class = DeadLetterFilter
    lookup_url_kwarg = "letter_id"

    def get_queryset(self) -> QuerySet[DeadLetter]:
        """The letters of the workspace in the address; the payload is read only where it is asked for."""
        rows = with_successor(DeadLetter.objects.of(self.workspace)).select_related("integration")
        return rows if self.action in _WITH_RECORD else rows.defer("payload", "edited")

    @extend_schema(responses=shapes.LineageSerializer)
    def lineage(self, request: Request, workspace: str, letter_id: str) -> Response:  # noqa: ARG002 - DRF passes the address
        """Where the record was set aside first, and each time again, with the reasons."""
        found = lineage_of(self.get_object())
        return Response({"letters": found.to_json(), "is_cut": found.is_cut})

    @extend_schema(responses=shapes.PayloadSerializer)
    def payload(self, request: Request, workspace: str, letter_id: str) -> Response:  # noqa: ARG002 - DRF passes the address
        """The record as it was read, and as it was corrected."""
        return Response(_payload(self.get_object()))

    @extend_schema(request=shapes.CorrectionSerializer, responses=shapes.PayloadSerializer)
    def correct(self, request: Request, workspace: str, letter_id: str) -> Response:  # noqa: ARG002 - as above
        """Keep a corrected record beside what was read; the same as was read takes a correction back."""
        require(self.asked.access, "deadletter.redrive", "Correcting a record")
        letter = self.get_object()
        given = self.checked(shapes.CorrectionSerializer)
        letter = dead_letters.edit(letter=letter, record=given["record"], user=self.person)
        return Response(_payload(letter))

    @extend_schema(request=shapes.CorrectManySerializer, responses=shapes.BulkPreviewSerializer)
    def try_correction(self, request: Request, workspace: str) -> Response:  # noqa: ARG002 - as above
        """Say what expressions would make of letters, and what a redrive would do then; nothing changes."""
        integration, letters, settings = self._correction()
        version = integration.deployments.select_related("version").get().version
        found = dead_letter_bulk.preview(letters=letters, settings=settings, version=version)
        return Response(found.to_json())

    @extend_schema(request=shapes.CorrectManySerializer, responses=shapes.BulkAppliedSerializer)
    def correct_many(self, request: Request, workspace: str) -> Response:  # noqa: ARG002 - as above
        """Set fields of letters by expressions, kept beside what was read; a redrive sends them so."""
        integration, letters, settings = self._correction()
        applied = dead_letter_bulk.apply(integration=integration, letters=letters, settings=settings, user=self.person)
        return Response({**asdict(applied), "changed": len(applied.letters)})

    @extend_schema(request=shapes.TrySerializer, responses=shapes.TrialSerializer)
    def try_redrive(self, request: Request, workspace: str) -> Response:  # noqa: ARG002 - as above
        """Say what a redrive would do; nothing is sent and nothing changes."""
        given = self.checked(shapes.TrySerializer)
        integration, ids = given["integration"], given.get("ids")
        letters = DeadLetter.objects.of(self.workspace).filter(integration=integration, state=DeadLetterState.OPEN)
        if ids is not None:
            self._named(ids, DeadLetter.objects.of(self.workspace).filter(integration=integration))
            letters = letters.filter(pk__in=ids)
        versions = integration.versions.all()
        asked = {"number": given["version"]} if "version" in given else {"deployments": integration.deployments.get()}
        trial = dead_letter_trial.try_redrive(letters=letters, version=get_object_or_404(versions, **asked))
        return Response(trial.to_json())

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

    def _correction(self) -> tuple[Integration, QuerySet[DeadLetter], list[Setting]]:
        """Of which integration which letters are to be corrected, and how."""
        require(self.asked.access, "deadletter.redrive", "Correcting records")
        given = self.checked(shapes.CorrectManySerializer)
        integration, ids = given["integration"], given.get("ids")
        letters = DeadLetter.objects.of(self.workspace).filter(integration=integration)
        if ids is not None:
            self._named(ids, letters)
            letters = letters.filter(pk__in=ids)
        letters = letters.filter(**{name: given[name] for name in ("code", "field") if name in given})
        return integration, letters, [Setting(**each) for each in given["set"]]

    def _named(self, ids: Sequence[UUID], rows: QuerySet[DeadLetter]) -> list[DeadLetter]:
        """The letters of those ids: all of them, or none (one foreign id, and nothing is done)."""
        found = list(rows.filter(pk__in=ids))
        if len(found) != len(set(ids)):
            raise NotFound("One or more of these dead letters do not exist in this workspace; nothing was changed.")
        return found


def _payload(letter: DeadLetter) -> dict[str, Any]:
    corrected = shown_record(letter, dead_letters.record_of(letter)) if letter.edited else None
    return {"payload": shown_record(letter, dead_letters.payload_of(letter)), "corrected": corrected}
