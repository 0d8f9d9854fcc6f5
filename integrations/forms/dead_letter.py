"""Forms of dead letters: the filters of their list, and what a person chose in it."""

from __future__ import annotations

from typing import Any, cast
from uuid import UUID

from django import forms
from django.db.models import Q, QuerySet
from django.http import QueryDict

from accounts.models import Workspace
from integrations.domain.lifecycle import DeadLetterState
from integrations.models import DeadLetter, Integration
from integrations.models.dead_letter import with_words

ANY = "any"
STATES = (*((state.value, state.value) for state in DeadLetterState), (ANY, "any state"))
FILTERS = ("q", "state", "integration", "run", "batch", "code", "field")
# Ids that one request may name: a page of them.
_NAMED_AT_MOST = 200


class DeadLetterFilterForm(forms.Form):
    """Each field narrows the list; without a state it shows the open ones."""

    q = forms.CharField(max_length=200, required=False)
    state = forms.ChoiceField(choices=STATES, required=False)
    integration = forms.ModelChoiceField(queryset=Integration.objects.none(), required=False)
    run = forms.UUIDField(required=False)
    batch = forms.IntegerField(required=False, min_value=0, max_value=2**31 - 1)
    code = forms.CharField(max_length=60, required=False)
    field = forms.CharField(max_length=120, required=False)
    before = forms.UUIDField(required=False)
    after = forms.UUIDField(required=False)

    # Django's own arguments are passed on as they come.
    def __init__(self, *args: Any, workspace: Workspace, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = cast("forms.ModelChoiceField[Integration]", self.fields["integration"])
        field.queryset = Integration.objects.of(workspace)

    @property
    def chosen_state(self) -> str:
        """The state that is shown; call it after `is_valid`."""
        return str(self.cleaned_data["state"] or DeadLetterState.OPEN)

    def narrow(self, letters: QuerySet[DeadLetter], *, with_reason: bool = True) -> QuerySet[DeadLetter]:
        """Apply the filters, those by reason where they are wanted; call it after `is_valid`."""
        data = self.cleaned_data
        if data["q"]:
            letters = letters.filter(with_words(data["q"]))
        if self.chosen_state != ANY:
            letters = letters.filter(state=self.chosen_state)
        if data["integration"]:
            letters = letters.filter(integration=data["integration"])
        if data["run"]:
            of_run = Q(run=data["run"]) | Q(run__parent=data["run"])
            # What it set aside and an earlier run had too is open there.
            seen = Q(last_run=data["run"]) if self.chosen_state == DeadLetterState.OPEN else Q()
            letters = letters.filter(of_run | seen if seen else of_run)
        if data["batch"] is not None:
            letters = letters.filter(batch_number=data["batch"])
        return self._with_reason(letters) if with_reason else letters

    def _with_reason(self, letters: QuerySet[DeadLetter]) -> QuerySet[DeadLetter]:
        data = self.cleaned_data
        if data["code"]:
            letters = letters.filter(code=data["code"])
        if data["field"]:
            letters = letters.filter(field=data["field"])
        return letters


class ChoiceForm(forms.Form):
    """The letters that were ticked, or all that the list's filter shows."""

    letter = forms.TypedMultipleChoiceField(required=False, coerce=UUID)
    everything = forms.BooleanField(required=False)
    filter = forms.CharField(max_length=1000, required=False)

    def __init__(self, data: QueryDict, *, workspace: Workspace) -> None:
        super().__init__(data)
        self._workspace = workspace
        named = data.getlist("letter")[:_NAMED_AT_MOST]
        field = cast("forms.TypedMultipleChoiceField", self.fields["letter"])
        field.choices = [(name, name) for name in named if _is_id(name)]

    @property
    def query(self) -> str:
        """The filter of the list that the choice was made in."""
        return str(self.cleaned_data.get("filter", ""))

    def letters(self) -> QuerySet[DeadLetter]:
        """The open letters that were chosen, newest first; none where nothing was. Call it after `is_valid`."""
        found = DeadLetter.objects.of(self._workspace).filter(state=DeadLetterState.OPEN).order_by("-id")
        if not self.cleaned_data.get("everything"):
            return found.filter(pk__in=self.cleaned_data.get("letter", []))
        filters = DeadLetterFilterForm(QueryDict(self.query), workspace=self._workspace)
        return filters.narrow(found) if filters.is_valid() else found.none()


def _is_id(text: str) -> bool:
    try:
        UUID(text)
    except ValueError:
        return False
    return True
