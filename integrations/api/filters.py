"""Filters of the API's lists. What they do not name is refused (`integrations.api.strict`)."""

from __future__ import annotations

from datetime import MAXYEAR, datetime
from typing import Any
from uuid import UUID

import django_filters
from django import forms
from django.core.exceptions import ValidationError
from django.db.models import Q, QuerySet

from integrations.api import choices
from integrations.models import (
    Connector,
    Credential,
    DeadLetter,
    Event,
    Integration,
    Policy,
    Run,
    SchemaChange,
    UncertainBatch,
)
from integrations.models.connector import CheckState, Environment
from integrations.models.dead_letter import with_words

_LEVELS = [(level, level) for level in ("debug", "info", "warning", "error")]


class _WholeNumberFilter(django_filters.Filter):  # type: ignore[misc]  # the package has no types
    """A number that a column of the database can be compared with."""

    field_class = forms.IntegerField

    def __init__(self, **options: Any) -> None:
        super().__init__(min_value=0, max_value=2**31 - 1, **options)


def _within_the_calendar(moment: datetime) -> None:
    """A time at the very edge of the calendar cannot be moved into another time zone, as databases do."""
    if not 1 < moment.year < MAXYEAR:
        raise ValidationError("The year is out of range.")


class ConnectorFilter(django_filters.FilterSet):  # type: ignore[misc]  # the package has no types
    """By plugin, environment, the state of the last test, or a part of the name."""

    plugin = django_filters.CharFilter(max_length=40)
    environment = django_filters.MultipleChoiceFilter(choices=Environment.choices)
    state = django_filters.MultipleChoiceFilter(field_name="check_state", choices=CheckState.choices)
    search = django_filters.CharFilter(field_name="name", lookup_expr="icontains", max_length=80)

    class Meta:
        model = Connector
        fields: list[str] = []


class CredentialFilter(django_filters.FilterSet):  # type: ignore[misc]  # the package has no types
    """By kind, or a part of the name."""

    kind = django_filters.CharFilter(max_length=40)
    search = django_filters.CharFilter(field_name="name", lookup_expr="icontains", max_length=80)

    class Meta:
        model = Credential
        fields: list[str] = []


class PolicyFilter(django_filters.FilterSet):  # type: ignore[misc]  # the package has no types
    """By a part of the name."""

    search = django_filters.CharFilter(field_name="name", lookup_expr="icontains", max_length=80)

    class Meta:
        model = Policy
        fields: list[str] = []


class IntegrationFilter(django_filters.FilterSet):  # type: ignore[misc]  # the package has no types
    """By a part of the name or description, by what the active version connects, or whether it is switched on."""

    search = django_filters.CharFilter(method="by_words", max_length=80)
    source = django_filters.UUIDFilter(field_name="deployments__version__source_id", distinct=True)
    destination = django_filters.UUIDFilter(field_name="deployments__version__destination_id", distinct=True)
    policy = django_filters.UUIDFilter(field_name="policy_id")
    enabled = django_filters.BooleanFilter(field_name="deployments__enabled", distinct=True)

    class Meta:
        model = Integration
        fields: list[str] = []

    def by_words(self, rows: QuerySet[Integration], name: str, value: str) -> QuerySet[Integration]:  # noqa: ARG002
        """In the name or the description; django-filter passes the parameter's name too."""
        return rows.filter(Q(name__icontains=value) | Q(description__icontains=value))


class RunFilter(django_filters.FilterSet):  # type: ignore[misc]  # the package has no types
    """By state, integration, trigger, time of creation, or whether there were warnings."""

    state = django_filters.MultipleChoiceFilter(choices=choices.RUN_STATES)
    trigger = django_filters.MultipleChoiceFilter(choices=choices.TRIGGERS)
    integration = django_filters.UUIDFilter(field_name="deployment__integration_id")
    since = django_filters.IsoDateTimeFilter(
        field_name="created_at", lookup_expr="gte", validators=[_within_the_calendar]
    )
    until = django_filters.IsoDateTimeFilter(
        field_name="created_at", lookup_expr="lte", validators=[_within_the_calendar]
    )
    has_warnings = django_filters.BooleanFilter()

    class Meta:
        model = Run
        fields: list[str] = []


class RunEventFilter(django_filters.FilterSet):  # type: ignore[misc]  # the package has no types
    """What came after a number, or lines of a level."""

    after = _WholeNumberFilter(field_name="seq", lookup_expr="gt", label="Only lines after this `seq`.")
    level = django_filters.MultipleChoiceFilter(choices=_LEVELS)

    class Meta:
        model = Event
        fields: list[str] = []


class DeadLetterFilter(django_filters.FilterSet):  # type: ignore[misc]  # the package has no types
    """By state, integration, the run that set it aside, the reason's code, or words of reason, code and field."""

    q = django_filters.CharFilter(method="by_words", max_length=200, label="All these words, in reason, code or field.")
    state = django_filters.MultipleChoiceFilter(choices=choices.DEAD_LETTER_STATES)
    integration = django_filters.UUIDFilter(field_name="integration_id")
    run = django_filters.UUIDFilter(method="by_run")
    code = django_filters.CharFilter(max_length=60)

    class Meta:
        model = DeadLetter
        fields: list[str] = []

    def by_words(self, rows: QuerySet[DeadLetter], name: str, value: str) -> QuerySet[DeadLetter]:  # noqa: ARG002
        """All the words; django-filter passes the parameter's name too."""
        return rows.filter(with_words(value))

    def by_run(self, rows: QuerySet[DeadLetter], name: str, value: UUID) -> QuerySet[DeadLetter]:  # noqa: ARG002
        """Those of a run and of its partitions; as above."""
        return rows.filter(Q(run=value) | Q(run__parent=value))


class SchemaChangeFilter(django_filters.FilterSet):  # type: ignore[misc]  # the package has no types
    """By integration, kind of change, or state."""

    integration = django_filters.UUIDFilter(field_name="deployment__integration_id")
    kind = django_filters.MultipleChoiceFilter(choices=choices.DRIFT_KINDS)
    state = django_filters.MultipleChoiceFilter(choices=choices.DRIFT_STATES)

    class Meta:
        model = SchemaChange
        fields: list[str] = []


class UncertainBatchFilter(django_filters.FilterSet):  # type: ignore[misc]  # the package has no types
    """By integration, run, or whether somebody has said what was found."""

    integration = django_filters.UUIDFilter()
    run = django_filters.UUIDFilter()
    resolved = django_filters.BooleanFilter(field_name="verdict", lookup_expr="exact", method="by_resolution")

    class Meta:
        model = UncertainBatch
        fields: list[str] = []

    def by_resolution(self, rows: QuerySet[UncertainBatch], name: str, value: bool) -> QuerySet[UncertainBatch]:  # noqa: ARG002 - the package's
        """The open ones, or those that a person has judged."""
        return rows.exclude(verdict="") if value else rows.filter(verdict="")
