"""The form of the integration editor, without the rows of its mapping (`integration_rules`)."""

from __future__ import annotations

from typing import Any, cast
from zoneinfo import available_timezones

from django import forms

from accounts.models import Workspace
from integrations.connectors import registry
from integrations.domain.guarantee import WriteMode
from integrations.domain.schedule import ScheduleKind, Timetable, problem_of
from integrations.models import Connector, Integration, IntegrationVersion, Policy, Schedule
from integrations.services.integrations import NAME_RULE
from integrations.services.schedules import timetable_of

UNITS = (("1", "seconds"), ("60", "minutes"), ("3600", "hours"))
READ_MODES = (("full", "Full: the whole stream in every run"), ("incremental", "Incremental: what is new since last"))
WRITE_MODES = ((WriteMode.UPSERT.value, "Upsert: replace by key"), (WriteMode.APPEND.value, "Append: add rows"))
SCHEDULES = (("", "Only when asked to"), ("interval", "At an interval"), ("cron", "By a cron expression"))
ZONES = tuple(sorted(available_timezones()))
_CODE = {"spellcheck": "false", "autocomplete": "off", "autocapitalize": "off"}
_EVERY_AT_MOST = 10**7


class ConnectorField(forms.ModelChoiceField):  # type: ignore[type-arg]  # generic in the stubs alone
    """A connector of the workspace, shown with its kind."""

    def label_from_instance(self, obj: Connector) -> str:
        """Name and kind."""
        return f"{obj.name} · {registry.get(obj.plugin).spec.label}"


class ScheduleForm(forms.Form):
    """When it runs by itself; `timetable` is what the fields say."""

    schedule = forms.ChoiceField(choices=SCHEDULES, required=False, label="Runs")
    every = forms.IntegerField(
        min_value=1, max_value=_EVERY_AT_MOST, required=False, initial=15, label="Every",
        widget=forms.NumberInput(attrs={"inputmode": "numeric"}),
    )  # fmt: skip
    every_unit = forms.ChoiceField(choices=UNITS, required=False, initial="60", label="Unit")
    cron = forms.CharField(
        max_length=120, required=False, label="Cron expression",
        widget=forms.TextInput(attrs={**_CODE, "placeholder": "*/15 * * * *"}),
        help_text="Minute, hour, day of the month, month, day of the week.",
    )  # fmt: skip
    time_zone = forms.CharField(
        max_length=64, required=False, initial="UTC", label="Time zone",
        widget=forms.TextInput(attrs={**_CODE, "list": "zones"}),
    )  # fmt: skip

    timetable: Timetable | None = None

    def clean(self) -> dict[str, Any]:
        """Make the timetable, or say at which field it fails."""
        data = super().clean() or self.cleaned_data
        kind = data.get("schedule")
        if not kind:
            return data
        table = Timetable(
            ScheduleKind(kind),
            cron=data.get("cron", "") if kind == "cron" else "",
            every_seconds=(data.get("every") or 0) * int(data.get("every_unit") or 60) if kind == "interval" else 0,
            time_zone=data.get("time_zone") or "UTC",
        )
        problem = problem_of(table)
        if problem and not self.errors:
            self.add_error("every" if problem[0] == "every_seconds" else problem[0], problem[1])
        self.timetable = None if problem or self.errors else table
        return data


class IntegrationForm(ScheduleForm):
    """What a person says of an integration; services check what the words mean together."""

    name = forms.CharField(max_length=80, help_text=NAME_RULE, widget=forms.TextInput(attrs=_CODE))
    description = forms.CharField(max_length=300, required=False)
    policy = forms.ModelChoiceField(
        queryset=Policy.objects.none(), required=False, empty_label="None of its own: what the workspace says"
    )
    source = ConnectorField(queryset=Connector.objects.none(), label="Connector", empty_label="Choose a connector")
    source_stream = forms.CharField(
        max_length=300, label="Stream", widget=forms.TextInput(attrs={**_CODE, "list": "source-streams"})
    )
    read_mode = forms.ChoiceField(choices=READ_MODES, label="Reads")
    cursor_field = forms.CharField(
        max_length=120, required=False, label="Cursor field", help_text="What orders the stream, e.g. updated_at.",
        widget=forms.TextInput(attrs={**_CODE, "list": "cursor-fields"}),
    )  # fmt: skip
    primary_key = forms.CharField(
        max_length=500, required=False, label="Source key", help_text="Decides between equal cursors, e.g. id.",
        widget=forms.TextInput(attrs=_CODE),
    )  # fmt: skip
    destination = ConnectorField(queryset=Connector.objects.none(), label="Connector", empty_label="Choose a connector")
    destination_stream = forms.CharField(
        max_length=300, label="Stream", help_text="A table or file; it is made where there is none.",
        widget=forms.TextInput(attrs=_CODE),
    )  # fmt: skip
    write_mode = forms.ChoiceField(choices=WRITE_MODES, label="Writes")
    filter = forms.CharField(
        max_length=4096, required=False, label="Filter",
        widget=forms.Textarea(attrs={**_CODE, "rows": 1, "placeholder": "Keeps the records for which it is true"}),
    )  # fmt: skip
    note = forms.CharField(
        max_length=300, required=False, label="Note of this version", help_text="What changes, and why."
    )
    activate = forms.BooleanField(required=False, initial=True)
    newest = forms.IntegerField(required=False, min_value=1, widget=forms.HiddenInput)
    origin = forms.IntegerField(required=False, min_value=1, widget=forms.HiddenInput)

    # Django's own arguments are passed on as they come.
    def __init__(self, *args: Any, workspace: Workspace, is_new: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        found = Connector.objects.of(workspace)
        specs = {key: plugin.spec for key, plugin in registry.CONNECTORS.items()}
        readable, writable = (
            [key for key, spec in specs.items() if getattr(spec, what)] for what in ("reads", "writes")
        )
        cast(ConnectorField, self.fields["source"]).queryset = found.filter(plugin__in=readable)
        cast(ConnectorField, self.fields["destination"]).queryset = found.filter(plugin__in=writable)
        cast(ConnectorField, self.fields["policy"]).queryset = Policy.objects.of(workspace)
        if not is_new:
            del self.fields["name"]

    def say(self, problems: dict[str, str]) -> None:
        """Put a service's messages at the fields that they name; the mapping's stand at its rows."""
        names = {"every_seconds": "every", "key": "write_mode"}
        for name, message in problems.items():
            field = names.get(name, name)
            self.add_error(field if field in self.fields else None, message)


def names_in(text: str) -> tuple[str, ...]:
    """The names in a list with commas."""
    return tuple(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))


def initial_of(integration: Integration, version: IntegrationVersion, schedule: Schedule | None) -> dict[str, Any]:
    """What the form shows of a version."""
    copied = ("source", "source_stream", "read_mode", "cursor_field", "destination", "destination_stream", "write_mode")
    return {
        **{name: getattr(version, name) for name in copied},
        "primary_key": ", ".join(version.primary_key),
        "filter": version.mapping.get("filter", ""),
        "description": integration.description,
        "policy": integration.policy,
        "origin": version.number,
        **(timetable_initial(timetable_of(schedule)) if schedule else {}),
    }


def timetable_initial(table: Timetable) -> dict[str, Any]:
    unit = next(int(size) for size, _ in reversed(UNITS) if table.every_seconds % int(size) == 0)
    return {
        "schedule": table.kind.value,
        "cron": table.cron,
        "time_zone": table.time_zone,
        "every": table.every_seconds // unit or None,
        "every_unit": str(unit),
    }
