"""The forms of credentials: their fields follow from the kind's declaration, and secrets only ever go in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django import forms

from integrations.connectors.base import CredentialKind, Setting
from integrations.forms.declared import field_of

PREFIX = "value-"


class ValuesForm(forms.Form):
    """Each field of a kind under `value-<name>`; of what is stored only the public part is shown."""

    # Django's own arguments are passed on as they come.
    def __init__(
        self, *args: Any, kind: CredentialKind, public: Mapping[str, str] | None = None, **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self.kind = kind
        for setting in kind.fields:
            field = field_of(setting, is_secret=setting.name in kind.secret_fields)
            field.initial = (public or {}).get(setting.name, field.initial)
            self.fields[PREFIX + setting.name] = field

    def values(self) -> dict[str, str]:
        """Every field of the kind by its own name."""
        return {setting.name: self.cleaned_data.get(PREFIX + setting.name) or "" for setting in self.kind.fields}

    def value_fields(self) -> list[tuple[forms.BoundField, bool]]:
        """The fields of the kind, each with whether it must be given."""
        return [(self[PREFIX + setting.name], self.must_be_given(setting)) for setting in self.kind.fields]

    def must_be_given(self, setting: Setting) -> bool:
        """As declared; the service says so again."""
        return setting.required

    def say(self, problems: dict[str, str]) -> None:
        """Put a service's messages at the fields that they name."""
        for name, message in problems.items():
            field = PREFIX + name if PREFIX + name in self.fields else name
            self.add_error(field if field in self.fields else None, message)


class KindForm(ValuesForm):
    """A new credential of one kind; its ids are its own, since it also stands beside the form of a connector."""

    name = forms.CharField(
        max_length=80,
        help_text="What it opens, for example: Shop, read only.",
        widget=forms.TextInput(attrs={"autocomplete": "off", "autocapitalize": "off", "spellcheck": "false"}),
    )

    # Django's own arguments are passed on as they come.
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, auto_id="id_credential_%s", **kwargs)


class RotateForm(ValuesForm):
    """New values of a stored credential: a rotation brings at least one new secret."""

    def must_be_given(self, setting: Setting) -> bool:
        """As declared, and the secret where there is only one."""
        return setting.required or self.kind.secret_fields == {setting.name}
