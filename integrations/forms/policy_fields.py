"""One form field for each kind of rule; an empty one means: inherited."""

from __future__ import annotations

from typing import Any

from django import forms

from integrations.domain.policy import ChoiceRule, EffectiveRule, Item, ListRule, NumberRule, Rule, SwitchRule, Value

# After a rule's name: the box that makes its value a limit.
LIMIT = ":limit"
NOTHING = "none"


class ItemsField(forms.CharField):
    """The items of a list rule, one a line; “none” is the empty list, nothing is inherited."""

    # Django's own arguments are passed on as they come.
    def __init__(self, *, rule: ListRule, **kwargs: Any) -> None:
        super().__init__(required=False, strip=True, max_length=20_000, **kwargs)
        self.rule = rule

    def to_python(self, value: object) -> list[Item] | None:  # type: ignore[override]  # a list, not its text
        """The items; None where the field is empty."""
        text = str(super().to_python(value) or "")
        if not text:
            return None
        try:
            return [] if text.lower() == NOTHING else self.rule.read(text)
        except ValueError as error:
            raise forms.ValidationError(str(error)) from error

    def prepare_value(self, value: object) -> object:
        """A stored list as its text; what somebody typed as it is."""
        return (self.rule.write(value) or NOTHING) if isinstance(value, list) else value

    def run_validators(self, value: object) -> None:
        """The text's length is checked; the items are the rule's to judge."""


def plain(value: Value) -> Value:
    """5 rather than 5.0."""
    return int(value) if isinstance(value, float) and value == int(value) else value


def rule_field(rule: Rule, inherited: EffectiveRule) -> forms.Field:
    """The field of a rule; what it would inherit stands in it while it is empty."""
    where = f"“{inherited.policy}”" if inherited.policy else "the instance"
    empty = f"inherits {_short(rule, inherited)} from {where}"
    if isinstance(rule, NumberRule):
        return _number_field(rule, empty)
    if isinstance(rule, ListRule):
        attrs = {"rows": 3, "placeholder": f"{empty}\ne.g. {rule.example}", "spellcheck": "false", "class": "mono"}
        return ItemsField(rule=rule, label=rule.label, help_text=rule.help, widget=forms.Textarea(attrs=attrs))
    if isinstance(rule, SwitchRule):
        return _choice_field(rule, empty, [("on", "On"), ("off", "Off")], lambda value: value == "on")
    if isinstance(rule, ChoiceRule):
        return _choice_field(rule, empty, list(rule.choices), str)
    raise TypeError(f"no field for {type(rule).__name__}")


def initial_value(rule: Rule, value: Value) -> Value:
    """What the field of a rule shows of a stored value."""
    return ("on" if value else "off") if isinstance(rule, SwitchRule) else value


def _short(rule: Rule, inherited: EffectiveRule) -> str:
    if isinstance(rule, NumberRule):
        return f"0 ({rule.zero})" if rule.zero and not inherited.value else str(plain(inherited.value))
    return inherited.shown


def _number_field(rule: NumberRule, empty: str) -> forms.Field:
    attrs = {
        "min": rule.minimum,
        "max": rule.maximum,
        "step": 1 if rule.whole else "any",
        "inputmode": "numeric" if rule.whole else "decimal",
        "placeholder": empty,
    }
    number = forms.IntegerField if rule.whole else forms.FloatField
    field = number(label=rule.label, required=False, help_text=rule.help, widget=forms.NumberInput(attrs=attrs))
    field.error_messages["invalid"] = f"{rule.label} is a {'whole number' if rule.whole else 'number'}."
    return field


def _choice_field(rule: Rule, empty: str, choices: list[tuple[str, str]], coerce: Any) -> forms.Field:
    field = forms.TypedChoiceField(
        label=rule.label,
        required=False,
        help_text=rule.help,
        choices=[("", empty), *choices],
        coerce=coerce,
        empty_value=None,
    )
    field.error_messages["invalid_choice"] = f"{rule.label} is {rule.bounds}."
    return field
