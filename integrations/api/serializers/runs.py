"""Runs, their batches and their log."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from integrations.api.serializers.common import RefSerializer
from integrations.models import Event, Run, RunBatch


class RunErrorSerializer(serializers.Serializer[Run]):
    """Why a run failed, or waits for its next attempt."""

    code = serializers.CharField(source="error_code")
    message = serializers.CharField(source="error_message")
    what_to_do = serializers.CharField(source="error_what_to_do")


class RunSerializer(serializers.ModelSerializer[Run]):
    """A run and its counts: read = written + set aside + filtered."""

    integration = RefSerializer(source="deployment.integration", read_only=True)
    environment = serializers.CharField(source="deployment.environment", read_only=True)
    version = serializers.IntegerField(source="version.number", read_only=True)
    is_retrying = serializers.BooleanField(read_only=True)
    slices = serializers.IntegerField(source="claims", read_only=True)
    error = serializers.SerializerMethodField()

    class Meta:
        model = Run
        fields = [
            "id", "integration", "environment", "version", "trigger", "state", "has_warnings", "is_retrying",
            "cancel_requested", "pause_requested", "waits_for", "requested_by",
            "continues", "upstream", "scope", "parent", "partition_count", "due_at", "created_at",
            "started_at", "finished_at",
            "attempt", "next_attempt_at", "slices", "batches", "read", "written", "set_aside", "filtered",
            "read_bytes", "progress", "error",
        ]  # fmt: skip
        read_only_fields = fields

    @extend_schema_field(RunErrorSerializer(allow_null=True))
    def get_error(self, run: Run) -> dict[str, Any] | None:
        """None where nothing is wrong."""
        return RunErrorSerializer(run).data if run.error_code else None


class RunPartitionSerializer(serializers.ModelSerializer[Run]):
    """A partition of a run: what is in it, who works on it, and its counts, which are part of the run's."""

    key = serializers.CharField(source="partition.key", read_only=True)
    label = serializers.CharField(source="partition.label", read_only=True)  # type: ignore[assignment]  # as below
    slices = serializers.IntegerField(source="claims", read_only=True)
    error = serializers.SerializerMethodField()

    class Meta:
        model = Run
        fields = [
            "id", "key", "label", "state", "worker", "progress", "read", "written", "set_aside", "filtered",
            "read_bytes", "batches", "slices", "attempt", "next_attempt_at", "continues", "started_at", "finished_at",
            "error",
        ]  # fmt: skip
        read_only_fields = fields

    @extend_schema_field(RunErrorSerializer(allow_null=True))
    def get_error(self, run: Run) -> dict[str, Any] | None:
        """None where nothing is wrong."""
        return RunErrorSerializer(run).data if run.error_code else None


class RunBatchSerializer(serializers.ModelSerializer[RunBatch]):
    """A batch and its counts. Its cursor is not shown: it can hold values of records."""

    class Meta:
        model = RunBatch
        fields = [
            "number", "state", "read", "written", "set_aside", "filtered", "read_bytes", "progress",
            "prepared_at", "committed_at",
        ]  # fmt: skip
        read_only_fields = fields


class RunEventSerializer(serializers.ModelSerializer[Event]):
    """A line of a run's log; `seq` numbers them without a gap."""

    data = serializers.DictField(read_only=True)  # type: ignore[assignment]  # DRF takes declared fields off the class

    class Meta:
        model = Event
        fields = ["seq", "at", "kind", "level", "message", "data"]
        read_only_fields = fields
