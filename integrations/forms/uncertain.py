"""Forms: which uncertain batches the list shows, and what a person found."""

from __future__ import annotations

from typing import Any

from django import forms
from django.db.models import QuerySet

from accounts.models import Workspace
from integrations.domain.guarantee import Verdict
from integrations.models import Integration, UncertainBatch
from integrations.services.uncertain import WORDS

FILTERS = ("state", "integration", "run")
STATES = [("open", "Open"), ("resolved", "Resolved"), ("any", "Open and resolved")]


class UncertainFilterForm(forms.Form):
    """What the address of the list says."""

    state = forms.ChoiceField(choices=STATES, required=False)
    integration = forms.ModelChoiceField(queryset=Integration.objects.none(), required=False)
    run = forms.UUIDField(required=False)
    before = forms.UUIDField(required=False)
    after = forms.UUIDField(required=False)

    def __init__(self, *args: Any, workspace: Workspace, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["integration"].queryset = Integration.objects.of(workspace)  # type: ignore[attr-defined]  # a model choice

    @property
    def chosen_state(self) -> str:
        """The open ones unless the address says otherwise; all where it names a run."""
        return self.cleaned_data["state"] or ("any" if self.cleaned_data["run"] else "open")

    def narrow(self, rows: QuerySet[UncertainBatch]) -> QuerySet[UncertainBatch]:
        """The batches that fit."""
        wanted = {"integration": self.cleaned_data["integration"], "run": self.cleaned_data["run"]}
        rows = rows.filter(**{name: value for name, value in wanted.items() if value})
        if self.chosen_state == "open":
            return rows.filter(verdict="")
        return rows.exclude(verdict="") if self.chosen_state == "resolved" else rows


class VerdictForm(forms.Form):
    """What was found at the destination."""

    verdict = forms.ChoiceField(choices=[("", "Choose"), *((each.value, words) for each, words in WORDS.items())])
    note = forms.CharField(max_length=500)

    @property
    def chosen(self) -> Verdict:
        return Verdict(self.cleaned_data["verdict"])
