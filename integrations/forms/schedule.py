"""The forms of the schedule page: when it runs, what of missed times and blackout windows; and what it starts after."""

from __future__ import annotations

from typing import Any, cast

from django import forms

from integrations.domain.blackout import BlackoutFormatError, Inside, blackout_of
from integrations.domain.blackout_words import text_of, windows_of
from integrations.domain.misfire import MOST_CATCH_UP, Misfire, Plan
from integrations.forms.integration import ScheduleForm, timetable_initial
from integrations.models import Deployment, Schedule
from integrations.services.schedules import plan_of

MISFIRES = (
    (Misfire.ONE.value, "One run catches up for all of them"),
    (Misfire.ALL.value, "Each gets its run, one after the other"),
    (Misfire.SKIP.value, "They are left out"),
)
INSIDE = ((Inside.SKIP.value, "is left out"), (Inside.MOVE.value, "is moved to the window's end"))


class SchedulePageForm(ScheduleForm):
    """A whole schedule; `plan` is what the fields say, None where it runs only when asked to."""

    misfire = forms.ChoiceField(choices=MISFIRES, required=False, label="Missed times")
    catch_up_most = forms.IntegerField(
        min_value=1, max_value=MOST_CATCH_UP, required=False, initial=100, label="At most",
        help_text="So many missed times get a run; older ones are left out, which the notes say.",
    )  # fmt: skip
    windows = forms.CharField(
        max_length=4000, required=False, label="Blackout windows", strip=True,
        widget=forms.Textarea(
            attrs={"rows": 3, "spellcheck": "false", "placeholder": "Mon-Fri 22:00-06:00\n2026-12-24 to 2027-01-02"}
        ),
        help_text="One a line, in the time zone below. No run starts inside one by itself.",
    )  # fmt: skip
    inside = forms.ChoiceField(choices=INSIDE, required=False, label="A due time inside one")
    windows_zone = forms.CharField(
        max_length=64, required=False, initial="UTC", label="Time zone of the windows",
        widget=forms.TextInput(attrs={"spellcheck": "false", "autocomplete": "off", "list": "zones"}),
    )  # fmt: skip

    plan: Plan | None = None

    def clean(self) -> dict[str, Any]:
        """Make the plan, or say at which field it fails."""
        data = super().clean()
        if self.timetable is None:
            return data
        try:
            windows = windows_of(data.get("windows", ""))
            given = {
                "windows": windows,
                "inside": data.get("inside") or Inside.SKIP.value,
                "time_zone": data.get("windows_zone") or "UTC",
            }
            blackout = blackout_of(given)
        except BlackoutFormatError as error:
            self.add_error("windows_zone" if "time zone" in str(error) else "windows", str(error))
            return data
        misfire = Misfire(data.get("misfire") or Misfire.ONE)
        self.plan = Plan(self.timetable, misfire, data.get("catch_up_most") or 100, blackout)
        return data

    def say(self, problems: dict[str, str]) -> None:
        """Put a service's messages at the fields that they name."""
        names = {"every_seconds": "every", "blackout": "windows"}
        for name, message in problems.items():
            field = names.get(name, name)
            self.add_error(field if field in self.fields else None, message)


def plan_initial(schedule: Schedule | None) -> dict[str, Any]:
    """What the form shows of a stored schedule."""
    if schedule is None:
        return {"schedule": ""}
    plan = plan_of(schedule)
    return {
        **timetable_initial(plan.table),
        "misfire": plan.misfire.value,
        "catch_up_most": plan.catch_up_most,
        "windows": text_of(plan.blackout.windows),
        "inside": plan.blackout.inside.value,
        "windows_zone": plan.blackout.time_zone,
    }


class UpstreamField(forms.ModelChoiceField):  # type: ignore[type-arg]  # generic in the stubs alone
    """A deployment, shown by its integration's name."""

    def label_from_instance(self, obj: Deployment) -> str:
        """The integration's name."""
        return obj.integration.name


class ChainForm(forms.Form):
    """What a deployment starts after."""

    upstream = UpstreamField(
        queryset=Deployment.objects.none(), label="Starts after", empty_label="Choose an integration",
        error_messages={"required": "Choose an integration.", "invalid_choice": "Choose one of the list."},
    )  # fmt: skip
    after_warnings = forms.BooleanField(required=False, initial=True, label="Also after runs with warnings")

    # Django's own arguments are passed on as they come.
    def __init__(self, *args: Any, deployment: Deployment, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        others = Deployment.objects.of(deployment.workspace).exclude(pk=deployment.pk)
        others = others.exclude(followers__deployment=deployment).select_related("integration")
        cast(UpstreamField, self.fields["upstream"]).queryset = others.order_by("integration__name")
