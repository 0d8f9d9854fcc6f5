"""The forms of what reads again: a backfill's range, and a replay's checkpoint."""

from __future__ import annotations

from typing import Any, cast

from django import forms

from integrations.domain.lifecycle import Trigger
from integrations.domain.words import counted
from integrations.models import Deployment, Run, RunBatch
from integrations.services.backfills import MOST_TEXT, Checkpoint

RUNS_OFFERED = 50
_CODE = {"spellcheck": "false", "autocomplete": "off", "autocapitalize": "off"}


class BackfillForm(forms.Form):
    """Which field, from which value on, up to which."""

    field = forms.CharField(
        max_length=120, label="Field", widget=forms.TextInput(attrs={**_CODE, "list": "range-fields"}),
        help_text="What the range is a range of, e.g. updated_at.",
    )  # fmt: skip
    low = forms.CharField(
        max_length=MOST_TEXT, label="From", widget=forms.TextInput(attrs={**_CODE, "placeholder": "2026-01-01"}),
        help_text="This value is in it. A time without a zone is UTC.",
    )  # fmt: skip
    high = forms.CharField(
        max_length=MOST_TEXT, label="Up to", widget=forms.TextInput(attrs={**_CODE, "placeholder": "2026-02-01"}),
        help_text="This value is not in it.",
    )  # fmt: skip
    understood = forms.BooleanField(required=False)


class ReplayForm(forms.Form):
    """From which checkpoint: after which batch of which earlier run."""

    run = forms.ModelChoiceField(
        queryset=Run.objects.none(), empty_label="Choose a run", label="Run",
        error_messages={"required": "Choose a run.", "invalid_choice": "Choose one of the list."},
    )  # fmt: skip
    batch = forms.IntegerField(
        min_value=0, max_value=2**31 - 1, initial=0, label="After batch",
        help_text="0 is where the run began.", widget=forms.NumberInput(attrs={"inputmode": "numeric"}),
    )  # fmt: skip
    goes_on = forms.BooleanField(required=False)
    understood = forms.BooleanField(required=False)

    # Django's own arguments are passed on as they come.
    def __init__(self, *args: Any, deployment: Deployment, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = cast("forms.ModelChoiceField[Run]", self.fields["run"])
        runs = Run.objects.of(deployment.workspace).filter(deployment=deployment, partition_count=0)
        runs = runs.exclude(trigger__in=[Trigger.REDRIVE, Trigger.BACKFILL]).select_related("version")
        field.queryset = runs.order_by("-id")
        offered = list(field.queryset.defer("schema", "cursor", "version__mapping")[:RUNS_OFFERED])
        field.choices = [("", "Choose a run"), *((str(run.pk), _words(run)) for run in offered)]

    def checkpoint(self) -> Checkpoint:
        """What was chosen; call it after `is_valid`."""
        return Checkpoint(self.cleaned_data["run"], self.cleaned_data["batch"])


def batches_of(run: Run | None) -> list[RunBatch]:
    """The checkpoints of a run, the newest first."""
    return list(RunBatch.objects.filter(run=run, state="committed").order_by("-number")[:200]) if run else []


def _words(run: Run) -> str:
    size = f"{counted(run.batches, 'batch', 'batches')}, {run.read:,} read"
    return f"{run} · {run.created_at:%Y-%m-%d %H:%M} UTC · {run.state} · {size}"
