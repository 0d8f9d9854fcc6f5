"""Refuses what would be ignored: unknown fields of a body, unknown or repeated parameters of a query."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from math import isfinite
from typing import Any, cast

from django.db.models import QuerySet
from django.http import QueryDict
from rest_framework import serializers
from rest_framework.exceptions import ValidationError

DEPTH = 32
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
# An answer names the first of many wrong fields; a body may hold thousands.
_NAMED_AT_MOST = 50


class StrictSerializer(serializers.Serializer[Any]):
    """A body of exactly these fields. What it does not take would do nothing, so it is an error."""

    # `data` is whatever the body held, before any check.
    def to_internal_value(self, data: Any) -> Any:
        """The checked values; ValidationError that names each field that does not exist, or cannot be stored."""
        if self.root is self:
            _check_values("", data, DEPTH)
        if isinstance(data, Mapping):
            known = {name for name, field in self.fields.items() if not field.read_only}
            unknown = sorted(str(name)[:80] for name in data if name not in known)
            if unknown:
                message = f"There is no such field here. There are: {', '.join(sorted(known)) or 'none'}."
                raise ValidationError({name: [message] for name in unknown[:_NAMED_AT_MOST]})
        return super().to_internal_value(data)


# A body is JSON of every shape until it is checked.
def _check_values(path: str, value: Any, depth: int) -> None:
    """Refuse what no database takes or no answer could repeat: lone surrogates, NUL, endless numbers, deep nesting."""
    where = path.lstrip(".").encode(errors="replace").decode()[:120] or "request"
    if isinstance(value, str) and _UNSTORABLE.search(value):
        raise ValidationError({where: ["Holds characters that cannot be stored."]})
    if isinstance(value, float) and not isfinite(value):
        raise ValidationError({where: ["Is too large a number."]})
    if not isinstance(value, Mapping | list):
        return
    if depth == 0:
        raise ValidationError({where: [f"Is nested deeper than {DEPTH} levels."]})
    pairs = value.items() if isinstance(value, Mapping) else enumerate(value)
    for name, inner in pairs:
        _check_values(path, name, depth)
        _check_values(f"{path}.{name}", inner, depth - 1)


class WorkspaceField(serializers.PrimaryKeyRelatedField[Any]):
    """The id of another object of the request's workspace. A foreign id and a missing one get the same answer."""

    default_error_messages = {"does_not_exist": "There is no such object in this workspace."}

    def __init__(self, **options: Any) -> None:
        super().__init__(pk_field=serializers.UUIDField(), **options)

    def get_queryset(self) -> QuerySet[Any]:
        """Only the rows of the workspace in the address."""
        rows = cast("QuerySet[Any]", super().get_queryset())
        return rows.filter(workspace=self.context["request"].workspace)


def check_query(given: QueryDict, *, known: Collection[str], repeatable: Collection[str] = ()) -> None:
    """Raise ValidationError for a parameter that is unknown, empty, or given twice where one counts."""
    problems: dict[str, list[str]] = {}
    for name, values in given.lists():
        if name not in known:
            problems[name[:80]] = [f"There is no such parameter here. There are: {', '.join(sorted(known)) or 'none'}."]
        elif len(values) > 1 and name not in repeatable:
            problems[name] = ["Given more than once."]
        elif not all(values):
            problems[name] = ["Given without a value. Leave it out, or give it one."]
    if problems:
        raise ValidationError(problems)


def check_page_size(given: QueryDict, *, largest: int) -> None:
    """Raise ValidationError for a page size that the list would otherwise replace by its own."""
    text = given.get("page_size")
    if text is None:
        return
    if not (text.isascii() and text.isdigit() and len(text) < 6 and 1 <= int(text) <= largest):
        raise ValidationError({"page_size": [f"A whole number from 1 to {largest}."]})
