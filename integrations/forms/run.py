"""Forms of runs: the filters of their list, and the choice of what to start."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Any, cast

from django import forms
from django.db.models import Q, QuerySet

from accounts.models import Workspace
from integrations.domain.lifecycle import RunState, Trigger
from integrations.domain.windows import WINDOWS
from integrations.models import Deployment, Integration, Run
from integrations.services.overview_bars import first_id_at

RETRYING = "retrying"
STATES = (*((state.value, state.value) for state in RunState), (RETRYING, RETRYING))
TRIGGERS = tuple((trigger.value, trigger.value) for trigger in Trigger)
WARNINGS = (("1", "with warnings"),)
SINCE = tuple((key, f"last {window.label}") for key, window in WINDOWS.items())
FILTERS = ("q", "state", "integration", "trigger", "warnings", "since")
_SHORT_ID = re.compile(r"[0-9a-f]{8}", re.IGNORECASE)
_WHOLE_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)


class RunFilterForm(forms.Form):
    """Each field narrows the list; an empty one does not."""

    q = forms.CharField(max_length=120, required=False)
    state = forms.ChoiceField(choices=STATES, required=False)
    integration = forms.ModelChoiceField(queryset=Integration.objects.none(), required=False)
    trigger = forms.ChoiceField(choices=TRIGGERS, required=False)
    warnings = forms.ChoiceField(choices=WARNINGS, required=False)
    since = forms.ChoiceField(choices=SINCE, required=False)
    before = forms.UUIDField(required=False)
    after = forms.UUIDField(required=False)

    # Django's own arguments are passed on as they come.
    def __init__(self, *args: Any, workspace: Workspace, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = cast("forms.ModelChoiceField[Integration]", self.fields["integration"])
        field.queryset = Integration.objects.of(workspace)

    def narrow(self, runs: QuerySet[Run], now: datetime) -> QuerySet[Run]:
        """Apply the filters; call it after `is_valid`."""
        data = self.cleaned_data
        if data["q"]:
            runs = runs.filter(_named(data["q"].strip()))
        if data["state"]:
            runs = in_state(runs, data["state"])
        if data["integration"]:
            runs = runs.filter(deployment__integration=data["integration"])
        if data["trigger"]:
            runs = runs.filter(trigger=data["trigger"])
        if data["warnings"]:
            runs = runs.filter(has_warnings=True)
        if data["since"]:
            # Ids begin with their time, so this is a range of the primary key.
            runs = runs.filter(id__gte=first_id_at(now - timedelta(seconds=WINDOWS[data["since"]].seconds)))
        return runs


def _named(text: str) -> Q:
    """Runs by the name of their integration, or by their id: whole, or as its short form stands on the pages."""
    if _WHOLE_ID.fullmatch(text):
        return Q(id=text)
    found = Q(deployment__integration__name__icontains=text)
    return found | Q(id__endswith=text.lower()) if _SHORT_ID.fullmatch(text) else found


def in_state(runs: QuerySet[Run], state: str) -> QuerySet[Run]:
    """The runs of a state; `retrying` are those that are queued after an attempt failed."""
    if state == RETRYING:
        return runs.filter(Q(attempt__gt=0) | ~Q(error_code=""), state=RunState.QUEUED)
    return runs.filter(state=state)


class StartRunForm(forms.Form):
    """What to start: an integration of the workspace."""

    integration = forms.ModelChoiceField(
        queryset=Integration.objects.none(),
        empty_label="Choose an integration",
        error_messages={
            "required": "Choose an integration.",
            "invalid_choice": "That integration does not exist here. Choose one of the list.",
        },
    )

    # Django's own arguments are passed on as they come.
    def __init__(self, *args: Any, workspace: Workspace, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._workspace = workspace
        field = cast("forms.ModelChoiceField[Integration]", self.fields["integration"])
        field.queryset = Integration.objects.of(workspace)

    def deployment(self) -> Deployment:
        """The deployment of the chosen integration; call it after `is_valid`."""
        rows = Deployment.objects.of(self._workspace).select_related("workspace", "integration", "version")
        return rows.get(integration=self.cleaned_data["integration"])
