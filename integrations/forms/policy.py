"""The form of a policy: a field for each rule there is, empty where the policy does not set it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django import forms

from accounts.models import Workspace
from integrations.domain.policy import RULES, SECTIONS, EffectivePolicy, EffectiveRule, Tighter, Value
from integrations.forms.policy_fields import LIMIT, initial_value, plain, rule_field
from integrations.models import Connector, Integration, Policy


@dataclass(frozen=True)
class RuleRow:
    """One rule of the form: its field, the box that makes it a limit (if it may be one), and what it would inherit."""

    field: forms.BoundField
    limit: forms.BoundField | None
    inherited: EffectiveRule


class PolicyForm(forms.Form):
    """Name, description, whether it is the default, and the rules by their own names.

    `revision` is that of the policy when the page was opened.
    """

    revision = forms.IntegerField(required=False, min_value=1, widget=forms.HiddenInput())

    name = forms.CharField(max_length=80, widget=forms.TextInput(attrs={"autocomplete": "off"}))
    description = forms.CharField(max_length=300, required=False, help_text="What it is for.")
    is_default = forms.BooleanField(required=False)

    # Django's own arguments are passed on as they come.
    def __init__(self, *args: Any, inherited: EffectivePolicy, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.inherited = inherited
        for rule in RULES.values():
            self.fields[rule.name] = rule_field(rule, inherited.rules[rule.name])
            if rule.tighter is not Tighter.NONE:
                self.fields[rule.name + LIMIT] = forms.BooleanField(required=False, label=f"{rule.label} is a limit")

    def sections(self) -> Iterator[tuple[str, str, list[RuleRow]]]:
        """Key, title and rules of each section."""
        for key, title in SECTIONS.items():
            yield key, title, [self._row(name) for name, rule in RULES.items() if rule.section == key]

    def rules(self) -> dict[str, Value]:
        """The rules that are set; an empty field is inherited."""
        given = {name: self.cleaned_data.get(name) for name in RULES}
        return {name: plain(value) for name, value in given.items() if value is not None}

    def limits(self) -> list[str]:
        """The rules that lower levels may only tighten."""
        return [name for name in RULES if self.cleaned_data.get(name + LIMIT)]

    def say(self, problems: dict[str, str]) -> None:
        """Put a service's messages at the fields that they name."""
        for name, message in problems.items():
            self.add_error(name if name in self.fields else None, message)

    def _row(self, name: str) -> RuleRow:
        limit = self[name + LIMIT] if name + LIMIT in self.fields else None
        return RuleRow(self[name], limit, self.inherited.rules[name])


class EffectiveForm(forms.Form):
    """For which connector and which integration."""

    # Django's own arguments are passed on as they come.
    def __init__(self, *args: Any, workspace: Workspace, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        connectors = Connector.objects.of(workspace).select_related("policy", "workspace")
        integrations = Integration.objects.of(workspace).select_related("policy")
        self.fields["connector"] = forms.ModelChoiceField(queryset=connectors, required=False)
        self.fields["integration"] = forms.ModelChoiceField(queryset=integrations, required=False)


def initial_of(policy: Policy) -> dict[str, Any]:
    """What the form shows of a stored policy."""
    about = {name: getattr(policy, name) for name in ("name", "description", "is_default", "revision")}
    values = {name: initial_value(RULES[name], value) for name, value in policy.rules.items() if name in RULES}
    return {**about, **values, **{name + LIMIT: True for name in policy.limits}}
