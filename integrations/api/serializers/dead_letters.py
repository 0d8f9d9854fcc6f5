"""Dead letters: why a record was set aside; its payload is an answer of its own."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from integrations.api.choices import DEAD_LETTER_STATES, OUTCOMES, TRIAL_VERDICTS
from integrations.api.serializers.common import ReasonSerializer, RefSerializer
from integrations.api.strict import StrictSerializer, WorkspaceField
from integrations.models import DeadLetter, Integration

IDS_AT_MOST = 1_000


class DeadLetterSerializer(serializers.ModelSerializer[DeadLetter]):
    """Why a record was set aside, without the record."""

    integration = RefSerializer(read_only=True)
    origin = serializers.UUIDField(
        source="origin_id", read_only=True, allow_null=True, help_text="The letter that was sent again and became this."
    )
    outcome = serializers.ChoiceField(choices=OUTCOMES, allow_blank=True, read_only=True)
    became = serializers.UUIDField(
        read_only=True, allow_null=True, help_text="The letter that this was set aside again as."
    )

    class Meta:
        model = DeadLetter
        fields = [
            "id", "integration", "run", "batch_number", "state", "code", "field", "reason", "is_record", "seen_count",
            "last_run", "origin", "redrive", "outcome", "became", "created_at", "resolved_at", "edited_at",
        ]  # fmt: skip
        read_only_fields = fields


class StepSerializer(serializers.Serializer[Any]):
    """One letter of a record: why it was set aside, and what became of it."""

    id = serializers.UUIDField()
    run = serializers.UUIDField(help_text="The run that set it aside.")
    state = serializers.ChoiceField(choices=DEAD_LETTER_STATES)
    code = serializers.CharField()
    field = serializers.CharField()
    reason = serializers.CharField()
    created_at = serializers.DateTimeField()
    redrive = serializers.UUIDField(allow_null=True, help_text="The run that sent it again.")
    outcome = serializers.ChoiceField(choices=OUTCOMES, allow_blank=True)
    resolved_at = serializers.DateTimeField(allow_null=True)


class LineageSerializer(serializers.Serializer[Any]):
    """The letters of one record, the oldest first."""

    letters = StepSerializer(many=True)
    is_cut = serializers.BooleanField(help_text="Older ones are not kept any more.")


class PayloadSerializer(serializers.Serializer[Any]):
    """The record as it was read, and as it was corrected."""

    payload = serializers.DictField(help_text="`raw` alone where it never decoded.")
    corrected = serializers.DictField(allow_null=True, help_text="What a redrive takes in its place, or null.")


class CorrectionSerializer(StrictSerializer):
    """The record that a redrive takes in place of what was read."""

    record = serializers.DictField(allow_empty=False)


class ReasonCountSerializer(serializers.Serializer[Any]):
    """How many records would be set aside again for one reason."""

    code = serializers.CharField()
    field = serializers.CharField()
    count = serializers.IntegerField()


class TriedSerializer(serializers.Serializer[Any]):
    """What would become of one letter."""

    id = serializers.UUIDField()
    verdict = serializers.ChoiceField(choices=TRIAL_VERDICTS)
    code = serializers.CharField()
    field = serializers.CharField()
    reason = serializers.CharField()


class TrialSerializer(serializers.Serializer[Any]):
    """What a redrive would do: `tried = written + set_aside + filtered`; the first letters one by one."""

    version = serializers.IntegerField()
    tried = serializers.IntegerField()
    written = serializers.IntegerField()
    set_aside = serializers.IntegerField()
    filtered = serializers.IntegerField()
    reasons = ReasonCountSerializer(many=True)
    rows = TriedSerializer(many=True)


def _ids(**options: Any) -> serializers.ListField:
    return serializers.ListField(child=serializers.UUIDField(), min_length=1, max_length=IDS_AT_MOST, **options)


class RedriveSerializer(StrictSerializer):
    """Which letters to send again: some, or all open ones of the integration."""

    integration = WorkspaceField(queryset=Integration.objects.all())
    ids = _ids(required=False)
    all = serializers.BooleanField(required=False)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Either names letters or says all."""
        if ("ids" in attrs) == bool(attrs.get("all", False)):
            raise serializers.ValidationError({"ids": "Give either `ids`, or `all` as true."})
        return attrs


class TrySerializer(RedriveSerializer):
    """Which letters to try, and by which version; the active one where none is named."""

    version = serializers.IntegerField(required=False, min_value=1, max_value=2**31 - 1)


class FieldSettingSerializer(StrictSerializer):
    """A field of the record, and the expression that makes its new value of the record."""

    field = serializers.CharField(max_length=120)
    expression = serializers.CharField(max_length=10_000)


class CorrectManySerializer(RedriveSerializer):
    """Which open letters to correct: some, or all of the integration, those of one reason where it is named."""

    code = serializers.CharField(max_length=60, required=False)
    field = serializers.CharField(max_length=120, required=False)
    set = FieldSettingSerializer(many=True, allow_empty=False)


class BulkRowSerializer(serializers.Serializer[Any]):
    """One of the first letters, before and after."""

    id = serializers.UUIDField()
    before = serializers.DictField()
    after = serializers.DictField()
    problem = serializers.CharField()
    verdict = serializers.ChoiceField(choices=TRIAL_VERDICTS)
    reason = serializers.CharField()


class BulkPreviewSerializer(serializers.Serializer[Any]):
    """What a correction would do: `chosen = changed + unchanged + failed`, and what a redrive would do then."""

    version = serializers.IntegerField()
    chosen = serializers.IntegerField()
    left_out = serializers.IntegerField(help_text="Open letters beyond the most that one correction takes.")
    changed = serializers.IntegerField()
    unchanged = serializers.IntegerField()
    failed = serializers.IntegerField(help_text="An expression made nothing of the record; it would stay as it is.")
    written = serializers.IntegerField()
    set_aside = serializers.IntegerField()
    filtered = serializers.IntegerField()
    reasons = ReasonCountSerializer(many=True)
    rows = BulkRowSerializer(many=True)


class BulkAppliedSerializer(serializers.Serializer[Any]):
    """What became of the chosen letters."""

    changed = serializers.IntegerField()
    unchanged = serializers.IntegerField()
    failed = serializers.IntegerField()
    conflicts = serializers.IntegerField(help_text="Resolved, corrected or sent by somebody else meanwhile.")
    letters = serializers.ListField(child=serializers.UUIDField(), help_text="Those that were changed.")


class DiscardSerializer(ReasonSerializer):
    """Which letters to give up on, and why."""

    ids = _ids()


class DiscardedSerializer(serializers.Serializer[Any]):
    """How many were open and are discarded now."""

    discarded = serializers.IntegerField()
