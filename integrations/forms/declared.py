"""Form fields made from declared settings, of connectors and of credentials alike."""

from __future__ import annotations

import json
from typing import Any

from django import forms

from integrations.connectors.base import Setting, SettingKind

TEXT_AT_MOST = 65_536
_PLAIN = {"autocomplete": "off", "autocapitalize": "off", "spellcheck": "false"}


def field_of(setting: Setting, *, is_secret: bool = False) -> forms.Field:
    """The field of one setting. Whether its value is right, the services say: forms and API share that rule."""
    if is_secret:
        return _secret(setting)
    if setting.kind is SettingKind.BOOLEAN:
        return forms.BooleanField(
            label=setting.label, required=False, initial=bool(setting.default), help_text=setting.help
        )
    if setting.kind is SettingKind.CHOICE:
        field = forms.ChoiceField(
            label=setting.label,
            choices=setting.choices,
            required=False,
            initial=setting.default,
            help_text=setting.help,
        )
        field.error_messages["invalid_choice"] = f"{setting.label} is one of the choices."
        return field
    return forms.CharField(
        label=setting.label,
        required=False,
        # The lines of JSON are counted as they were typed.
        strip=setting.kind is not SettingKind.JSON,
        max_length=TEXT_AT_MOST,
        initial=shown_value(setting, setting.default),
        help_text=setting.help,
        widget=_widget(setting),
    )


def shown_value(setting: Setting, value: Any) -> Any:  # a setting's value is what its kind says
    """A stored value as the field shows it: JSON as indented text."""
    if setting.kind is SettingKind.JSON and value is not None:
        return json.dumps(value, indent=2, ensure_ascii=False)
    return value


def _secret(setting: Setting) -> forms.Field:
    # A password input: Django never writes its value, not after an error either.
    return forms.CharField(
        label=setting.label,
        required=False,
        strip=False,
        max_length=TEXT_AT_MOST,
        help_text=setting.help,
        widget=forms.PasswordInput(render_value=False, attrs={**_PLAIN, "autocomplete": "off", **_must(setting)}),
    )


def _widget(setting: Setting) -> forms.Widget:
    attrs: dict[str, Any] = {**_PLAIN, **_must(setting)}  # what Django takes for a widget's attributes
    if setting.example is not None:
        attrs["placeholder"] = shown_value(setting, setting.example)
    if setting.kind is SettingKind.JSON:
        return forms.Textarea(attrs={**attrs, "class": "mono", "rows": 4})
    if setting.kind is SettingKind.INTEGER:
        bounds = {"min": setting.minimum, "max": setting.maximum}
        return forms.NumberInput(
            attrs={**attrs, "inputmode": "numeric", **{k: v for k, v in bounds.items() if v is not None}}
        )
    if setting.kind is SettingKind.URL:
        return forms.URLInput(attrs={"placeholder": "https://", **attrs})
    return forms.TextInput(attrs=attrs)


def _must(setting: Setting) -> dict[str, str]:
    """The browser asks for it, too; not where it may be hidden."""
    return {"required": "required"} if setting.required and setting.shown_when is None else {}
