"""The filters of the audit log: parsed, never handed to the database as they came."""

from __future__ import annotations

from datetime import UTC, datetime, time
from typing import Any, cast

from django import forms
from django.db.models import Q, QuerySet

from accounts.models import AuditEntry, User, Workspace
from accounts.models.audit import AuditQuerySet

_PLACEHOLDERS = {"actor": "Who", "action": "Action, like member.", "object": "Object: name, kind or id"}


class AuditFilterForm(forms.Form):
    """Each field narrows the list; an empty one does not."""

    q = forms.CharField(max_length=254, required=False)
    actor = forms.ModelChoiceField(queryset=User.objects.none(), required=False, empty_label="Anybody")
    action = forms.CharField(max_length=60, required=False)
    object = forms.CharField(max_length=254, required=False)
    since = forms.DateField(required=False, widget=forms.DateInput(attrs={"type": "date"}))
    until = forms.DateField(required=False, widget=forms.DateInput(attrs={"type": "date"}))
    before = forms.IntegerField(required=False, min_value=0, widget=forms.HiddenInput)
    after = forms.IntegerField(required=False, min_value=0, widget=forms.HiddenInput)

    # Django's own arguments are passed on as they come.
    def __init__(self, *args: Any, workspace: Workspace, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = cast("forms.ModelChoiceField[User]", self.fields["actor"])
        known = AuditEntry.objects.of(workspace).filter(actor__isnull=False).order_by().values("actor")
        for name, placeholder in _PLACEHOLDERS.items():
            self.fields[name].widget.attrs |= {"placeholder": placeholder, "aria-label": placeholder}
        for shown in self.fields.values():
            shown.widget.attrs["class"] = "input"
        field.queryset = User.objects.filter(pk__in=known)

    def narrow(self, entries: AuditQuerySet) -> QuerySet[AuditEntry]:
        """Apply the filters; call it after `is_valid`."""
        data = self.cleaned_data
        if data["q"]:
            entries = entries.matching(data["q"])
        if data["actor"]:
            entries = entries.filter(actor=data["actor"])
        if data["action"]:
            entries = entries.filter(action__startswith=data["action"])
        if data["object"]:
            wanted = data["object"]
            entries = entries.filter(Q(object_id=wanted) | Q(object_label__icontains=wanted) | Q(object_type=wanted))
        if data["since"]:
            entries = entries.filter(at__gte=datetime.combine(data["since"], time.min, tzinfo=UTC))
        if data["until"]:
            entries = entries.filter(at__lte=datetime.combine(data["until"], time.max, tzinfo=UTC))
        return entries
