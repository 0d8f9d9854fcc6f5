"""Filters of the API's lists."""

from __future__ import annotations

import django_filters

from accounts.models import ApiToken, AuditEntry, Membership
from accounts.models.audit import AuditQuerySet


class MemberFilter(django_filters.FilterSet):  # type: ignore[misc]  # django-filter ships no types
    """By role or address."""

    email = django_filters.CharFilter(field_name="user__email", lookup_expr="iexact")

    class Meta:
        model = Membership
        fields = ["role", "email"]


class TokenFilter(django_filters.FilterSet):  # type: ignore[misc]  # django-filter ships no types
    """By creator, or only those not revoked."""

    revoked = django_filters.BooleanFilter(field_name="revoked_at", lookup_expr="isnull", exclude=True)

    class Meta:
        model = ApiToken
        fields = ["creator", "revoked"]


class AuditFilter(django_filters.FilterSet):  # type: ignore[misc]  # django-filter ships no types
    """By actor, action, object and time."""

    since = django_filters.IsoDateTimeFilter(field_name="at", lookup_expr="gte")
    until = django_filters.IsoDateTimeFilter(field_name="at", lookup_expr="lte")
    actor = django_filters.UUIDFilter(field_name="actor_id")
    q = django_filters.CharFilter(method="search", max_length=254, label="Words in who, what, or on what.")
    after_seq = django_filters.NumberFilter(field_name="seq", lookup_expr="gt", max_value=2**63 - 1, min_value=0)

    def search(self, entries: AuditQuerySet, _name: str, words: str) -> AuditQuerySet:
        """Entries that hold these words."""
        return entries.matching(words)

    class Meta:
        model = AuditEntry
        fields = ["q", "after_seq", "actor", "action", "object_type", "object_id", "since", "until"]
