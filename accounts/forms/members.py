"""Forms of the members page."""

from __future__ import annotations

from typing import Any, cast

from django import forms

from accounts.domain.roles import RANK, Role, may_assign
from accounts.models import Membership

ROLE_NOTES: dict[Role, str] = {
    Role.OWNER: "everything, and the workspace itself",
    Role.ADMIN: "people, policies, tokens and all below",
    Role.BUILDER: "connectors, credentials, integrations and all below",
    Role.OPERATOR: "starts, stops and repairs runs",
    Role.VIEWER: "sees integrations and runs",
    Role.AUDITOR: "sees, and reads the audit log",
}


def assignable(by: Membership) -> list[Role]:
    """The roles that a member may give, highest first."""
    return [role for role in sorted(Role, key=lambda role: -RANK[role]) if may_assign(by.as_role, role)]


class RoleForm(forms.Form):
    """One role, of those that the person may give."""

    role = forms.ChoiceField()

    # Django's own arguments are passed on as they come.
    def __init__(self, *args: Any, by: Membership, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = cast(forms.ChoiceField, self.fields["role"])
        # The least by default: more is a choice.
        field.initial = Role.VIEWER.value
        field.choices = [(role.value, f"{role.value.capitalize()}: {ROLE_NOTES[role]}") for role in assignable(by)]

    def role_chosen(self) -> Role:
        """The cleaned role as the enum."""
        return Role(self.cleaned_data["role"])


class AddMemberForm(RoleForm):
    """Somebody new in the workspace."""

    email = forms.EmailField(label="E-mail address", max_length=254)
    name = forms.CharField(label="Name", max_length=120, required=False, help_text="Used if the account is new.")
    field_order = ["email", "name", "role"]


class RemoveMemberForm(forms.Form):
    """The address, typed, so that nobody is removed by a slip."""

    confirm = forms.CharField(label="Type the e-mail address of the member", strip=True)

    # As above.
    def __init__(self, *args: Any, email: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._email = email
        self.fields["confirm"].widget.attrs["autocomplete"] = "off"

    def clean_confirm(self) -> str:
        """Equal to the member's address."""
        typed = str(self.cleaned_data["confirm"])
        if typed.lower() != self._email:
            raise forms.ValidationError(f"That is not {self._email}.")
        return typed
