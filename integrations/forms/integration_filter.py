"""The filters of the list of integrations: parsed, never handed to the database as they came."""

from __future__ import annotations

from typing import Any, cast

from django import forms

from accounts.models import Workspace
from integrations.domain.lifecycle import RunState
from integrations.models import Connector

NEVER = "never"
STALE = "stale"
STATES = (*((state.value, state.value) for state in RunState), (NEVER, "never ran"), (STALE, "stale"))
LETTERS = (("open", "with open dead letters"),)
SWITCH = (("on", "switched on"), ("off", "switched off"))


class IntegrationFilterForm(forms.Form):
    """Each field narrows the list; an empty one does not."""

    q = forms.CharField(max_length=80, required=False)
    state = forms.ChoiceField(choices=STATES, required=False)
    connector = forms.ModelChoiceField(queryset=Connector.objects.none(), required=False)
    enabled = forms.ChoiceField(choices=SWITCH, required=False)
    letters = forms.ChoiceField(choices=LETTERS, required=False)
    after = forms.CharField(max_length=80, required=False)
    before = forms.CharField(max_length=80, required=False)

    # Django's own arguments are passed on as they come.
    def __init__(self, *args: Any, workspace: Workspace, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = cast("forms.ModelChoiceField[Connector]", self.fields["connector"])
        field.queryset = Connector.objects.of(workspace)
