"""Pages of API lists: keyset cursors, so that a page neither skips nor repeats rows while others are added."""

from __future__ import annotations

from typing import Any

from django.core.signing import BadSignature, Signer
from django.db.models import QuerySet
from rest_framework.exceptions import NotFound
from rest_framework.pagination import Cursor
from rest_framework.pagination import CursorPagination as BasePagination
from rest_framework.request import Request
from rest_framework.views import APIView


class CursorPagination(BasePagination):
    """Newest first by the time-ordered id; a view orders otherwise by `cursor_ordering = ("name", "id")`."""

    page_size = 50
    max_page_size = 200
    page_size_query_param = "page_size"
    ordering = "-id"

    # A queryset of any model.
    def get_ordering(self, request: Request, queryset: QuerySet[Any], view: APIView) -> tuple[str, ...]:
        """The view's own unique order, or the id."""
        return getattr(view, "cursor_ordering", None) or tuple(super().get_ordering(request, queryset, view))

    def encode_cursor(self, cursor: Cursor) -> str:
        """A cursor's position is signed for this list: nobody can ask the database for a made-up one."""
        if cursor.position is not None:
            cursor = _at(cursor, self._signer().sign(str(cursor.position)))
        return super().encode_cursor(cursor)

    def decode_cursor(self, request: Request) -> Cursor | None:
        """The cursor of the query; 404 where it was altered or comes from another list."""
        # DRF sets `request` only after it has decoded; the signer needs its path now.
        self.request = request
        cursor = super().decode_cursor(request)
        if cursor is None or cursor.position is None:
            return cursor
        try:
            position = self._signer().unsign(str(cursor.position))
        except BadSignature as error:
            raise NotFound(self.invalid_cursor_message) from error
        return _at(cursor, position)

    def _signer(self) -> Signer:
        return Signer(salt=f"signalbox.cursor:{self.request.path}")


def _at(cursor: Cursor, position: str) -> Cursor:
    return cursor._replace(position=position)  # type: ignore[arg-type]  # DRF's stub says int; it is the column's text
