"""The filters of the lists of connectors, credentials and policies: parsed before they meet the database."""

from __future__ import annotations

from django import forms

from integrations.connectors import registry
from integrations.connectors.credential_kinds import CREDENTIAL_KINDS
from integrations.models.connector import CheckState, Environment

PLUGINS = tuple((key, plugin.spec.label) for key, plugin in sorted(registry.CONNECTORS.items()))
KINDS = tuple((kind.key, kind.label) for kind in CREDENTIAL_KINDS.values())


class NamedFilterForm(forms.Form):
    """A part of the name, and where the page begins."""

    q = forms.CharField(max_length=80, required=False)
    after = forms.CharField(max_length=80, required=False, strip=False)
    before = forms.CharField(max_length=80, required=False, strip=False)

    def kept(self) -> dict[str, str]:
        """The filters that the address holds, without its place in the pages."""
        if not self.is_valid():
            return {}
        return {name: value for name, value in self.cleaned_data.items() if value and name not in ("after", "before")}


class ConnectorFilterForm(NamedFilterForm):
    """By plugin, environment and the state of the last test."""

    plugin = forms.ChoiceField(choices=PLUGINS, required=False)
    environment = forms.ChoiceField(choices=Environment.choices, required=False)
    state = forms.ChoiceField(choices=CheckState.choices, required=False)


class CredentialFilterForm(NamedFilterForm):
    """By kind."""

    kind = forms.ChoiceField(choices=KINDS, required=False)
