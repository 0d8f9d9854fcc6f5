"""Forms of a workspace's settings, and of a person's own profile."""

from __future__ import annotations

from django import forms

from accounts.models import StatusPage


class WorkspaceForm(forms.Form):
    """What an owner may change."""

    name = forms.CharField(max_length=80)
    status_page = forms.ChoiceField(
        label="Who may open the status page", choices=StatusPage.choices, widget=forms.RadioSelect
    )


class NewWorkspaceForm(forms.Form):
    """A workspace of its own for another team."""

    name = forms.CharField(max_length=80, help_text="For example: Payments.")
    slug = forms.SlugField(
        label="Address", max_length=50, required=False, help_text="Left empty, it is made from the name."
    )


class ProfileForm(forms.Form):
    """What people change about themselves."""

    name = forms.CharField(max_length=120, required=False)
