"""The form of a policy: a field for each rule there is, empty where the policy does not set it."""

from __future__ import annotations

from typing import Any

from django import forms

from accounts.models import Workspace
from integrations.domain.policy import RULES, SECTIONS, EffectivePolicy, EffectiveRule, Number, Rule
from integrations.models import Connector, Integration, Policy


def plain(value: Number) -> Number:
    """5 rather than 5.0."""
    return int(value) if value == int(value) else value


class PolicyForm(forms.Form):
    """Name, description, whether it is the default, and the rules by their own names."""

    name = forms.CharField(max_length=80, widget=forms.TextInput(attrs={"autocomplete": "off"}))
    description = forms.CharField(max_length=300, required=False, help_text="What it is for.")
    is_default = forms.BooleanField(required=False)

    # Django's own arguments are passed on as they come.
    def __init__(self, *args: Any, inherited: EffectivePolicy, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.inherited = inherited
        for rule in RULES.values():
            self.fields[rule.name] = _field(rule, inherited.rules[rule.name])

    def sections(self) -> list[tuple[str, list[tuple[forms.BoundField, EffectiveRule]]]]:
        """The rules by section, each with what it would inherit."""
        return [
            (
                title,
                [(self[rule.name], self.inherited.rules[rule.name]) for rule in RULES.values() if rule.section == key],
            )
            for key, title in SECTIONS.items()
        ]

    def rules(self) -> dict[str, Number]:
        """The rules that are set; an empty field is inherited."""
        given = {name: self.cleaned_data.get(name) for name in RULES}
        return {name: plain(value) for name, value in given.items() if value is not None}

    def say(self, problems: dict[str, str]) -> None:
        """Put a service's messages at the fields that they name."""
        for name, message in problems.items():
            self.add_error(name if name in self.fields else None, message)


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
    about = {"name": policy.name, "description": policy.description, "is_default": policy.is_default}
    return {**about, **{name: value for name, value in policy.rules.items() if name in RULES}}


def _field(rule: Rule, inherited: EffectiveRule) -> forms.Field:
    where = f"“{inherited.policy}”" if inherited.policy else "the instance"
    attrs = {
        "min": rule.minimum,
        "max": rule.maximum,
        "step": 1 if rule.whole else "any",
        "inputmode": "numeric" if rule.whole else "decimal",
        "placeholder": f"inherits {plain(inherited.value)} from {where}",
    }
    number = forms.IntegerField if rule.whole else forms.FloatField
    field = number(label=rule.label, required=False, help_text=rule.help, widget=forms.NumberInput(attrs=attrs))
    field.error_messages["invalid"] = f"{rule.label} is a {'whole number' if rule.whole else 'number'}."
    return field
