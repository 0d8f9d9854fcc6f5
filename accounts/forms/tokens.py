"""The form that makes a token."""

from __future__ import annotations

from typing import Any, cast

from django import forms

from accounts.services import tokens


class TokenForm(forms.Form):
    """Its scopes are those that the person's own role holds."""

    name = forms.CharField(max_length=80, help_text="What will use it, for example: nightly export.")
    days = forms.TypedChoiceField(
        label="Expires after",
        choices=[(7, "7 days"), (30, "30 days"), (90, "90 days"), (365, "a year")],
        coerce=int,
        initial=tokens.DEFAULT_DAYS,
    )
    scopes = forms.MultipleChoiceField(widget=forms.CheckboxSelectMultiple)

    # Django's own arguments are passed on as they come.
    def __init__(self, *args: Any, grantable: list[str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = cast(forms.MultipleChoiceField, self.fields["scopes"])
        field.choices = [(scope, scope) for scope in grantable]
