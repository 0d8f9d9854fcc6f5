"""The form of a connector, made from what its plugin declares."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, cast

from django import forms

from accounts.models import Workspace
from integrations.connectors.base import PluginSpec, Setting, SettingKind
from integrations.connectors.credential_kinds import CREDENTIAL_KINDS
from integrations.forms.declared import field_of, shown_value
from integrations.models import Connector, Credential, Policy
from integrations.models.connector import Environment
from integrations.services.connectors import ConnectorInput

PREFIX = "setting-"
_NAME = {"autocomplete": "off", "autocapitalize": "off", "spellcheck": "false"}


class CredentialField(forms.ModelChoiceField):  # type: ignore[type-arg]  # generic in the stubs alone
    """A credential of the workspace, shown with its kind."""

    def label_from_instance(self, obj: Credential) -> str:
        """Name and kind."""
        return f"{obj.name} · {CREDENTIAL_KINDS[obj.kind].label}"


@dataclass(frozen=True)
class SettingRow:
    """A setting with its field: when it is shown, whether it is now, and the faulty line of its JSON."""

    setting: Setting
    field: forms.BoundField
    depends_on: str
    depends_values: str
    when: str
    is_off: bool
    faulty_line: str

    @property
    def is_optional(self) -> bool:
        """Whether it may stay empty; what has a default always has a value."""
        return not (self.setting.required or self.setting.default or self.setting.kind is SettingKind.CHOICE)

    @property
    def is_boolean(self) -> bool:
        return self.setting.kind is SettingKind.BOOLEAN

    @property
    def is_wide(self) -> bool:
        return self.setting.kind in (SettingKind.JSON, SettingKind.URL)


class ConnectorForm(forms.Form):
    """Name, environment, credential, policy, and each declared setting under `setting-<name>`."""

    name = forms.CharField(max_length=80, widget=forms.TextInput(attrs=_NAME), help_text="As your team calls it.")
    environment = forms.ChoiceField(choices=Environment.choices, initial=Environment.PRODUCTION)
    credential = CredentialField(queryset=Credential.objects.none(), required=False, empty_label="None")
    policy = forms.ModelChoiceField(
        queryset=Policy.objects.none(), required=False, empty_label="What the workspace says"
    )

    # Django's own arguments are passed on as they come.
    def __init__(self, *args: Any, workspace: Workspace, spec: PluginSpec, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.spec = spec
        if spec.credential_kinds:
            credential = cast(CredentialField, self.fields["credential"])
            credential.queryset = Credential.objects.of(workspace).filter(kind__in=spec.credential_kinds)
            credential.required = spec.credential_required
            credential.empty_label = "Choose a credential" if spec.credential_required else "None"
        else:
            del self.fields["credential"]
        cast("forms.ModelChoiceField[Policy]", self.fields["policy"]).queryset = Policy.objects.of(workspace)
        for setting in spec.settings:
            self.fields[PREFIX + setting.name] = field_of(setting)

    def is_usable(self, *, without_name: bool) -> bool:
        """`is_valid`, where a test can do without a name."""
        self.fields["name"].required = not without_name
        is_valid = self.is_valid()
        self.fields["name"].required = True
        return is_valid

    def rows(self) -> Iterator[SettingRow]:
        """The settings, in the order of the declaration."""
        labels = {setting.name: setting for setting in self.spec.settings}
        for setting in self.spec.settings:
            other, values = setting.shown_when or ("", ())
            shown = [word for key, word in labels[other].choices if key in values] if other else []
            yield SettingRow(
                setting=setting,
                field=self[PREFIX + setting.name],
                depends_on=self[PREFIX + other].html_name if other else "",
                depends_values=json.dumps(values) if other else "",
                when=f"Matters where {labels[other].label} is {' or '.join(shown) or ', '.join(values)}."
                if other
                else "",
                is_off=bool(other) and str(self[PREFIX + other].value()) not in values,
                faulty_line=self._faulty_line(setting),
            )

    def given(self) -> ConnectorInput:
        """What the person says; the service checks the settings."""
        data = self.cleaned_data
        return ConnectorInput(
            name=data["name"],
            plugin=self.spec.key,
            settings={setting.name: data.get(PREFIX + setting.name) for setting in self.spec.settings},
            environment=data["environment"],
            credential=data.get("credential"),
            policy=data["policy"],
        )

    def say(self, problems: dict[str, str]) -> None:
        """Put a service's messages at the fields that they name."""
        for name, message in problems.items():
            field = PREFIX + name if PREFIX + name in self.fields else name
            self.add_error(field if field in self.fields else None, message)

    def _faulty_line(self, setting: Setting) -> str:
        text = self.data.get(PREFIX + setting.name, "") if setting.kind is SettingKind.JSON else ""
        if not text or PREFIX + setting.name not in self.errors:
            return ""
        try:
            json.loads(text)
        except json.JSONDecodeError as error:
            return text.split("\n")[error.lineno - 1].strip()[:120]
        except (ValueError, RecursionError):
            return ""  # well-formed or beyond reading: the message at the field says what is wrong
        return ""


def initial_of(connector: Connector, spec: PluginSpec) -> dict[str, Any]:
    """What the form shows of a stored connector."""
    declared = {setting.name: setting for setting in spec.settings}
    stored = {
        PREFIX + name: shown_value(declared[name], value)
        for name, value in connector.settings.items()
        if name in declared
    }
    return {
        "name": connector.name,
        "environment": connector.environment,
        "credential": connector.credential_id,
        "policy": connector.policy_id,
        **stored,
    }
