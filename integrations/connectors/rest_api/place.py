"""What the cursor of a REST stream holds, as plain JSON that is checked when it comes back."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from integrations.connectors.base import Cursor
from integrations.connectors.rest_api.incremental import WindowState
from integrations.errors import CURSOR_INVALID, NeedsPerson

POSITION_TYPES: Mapping[str, tuple[type, ...]] = {
    "none": (),
    "page": (int,),
    "offset": (int,),
    "cursor": (int, str),
    "link": (str,),
    "next_url": (str,),
}


class Place(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A place in a stream: the page to ask for next, and how many of its rows were read (0 for a whole page).

    `digest` is that of a page read in part: where it has changed since, it is read again from its first row. `count` is
    the records read in this sweep, `pages` and `mark` are the progress guard's, `sweep` the incremental state. `done`
    ends a whole (not incremental) read for good.
    """

    style: str
    field: str = ""
    at: int | str | None = None
    row: int = 0
    digest: str = ""
    count: int = 0
    pages: int = 0
    mark: str = ""
    sweep: WindowState | None = None
    done: bool = False


def to_cursor(place: Place) -> Cursor:
    """The place as plain JSON values, independent of what it was made from."""
    cursor: Cursor = msgspec.json.decode(msgspec.json.encode(place))
    return cursor


def from_cursor(cursor: Cursor | None, *, style: str, field: str) -> Place:
    """The place that a cursor of this stream holds; NeedsPerson(CURSOR_INVALID) where it fits no more."""
    if cursor is None:
        return Place(style, field)
    try:
        place: Place = msgspec.convert(cursor, Place)
    except msgspec.ValidationError:
        raise NeedsPerson(CURSOR_INVALID, "The stored cursor was not made by this connector.") from None
    fits = place.at is None or isinstance(place.at, POSITION_TYPES[style])
    if not fits or place.style != style or place.field != field:
        raise NeedsPerson(CURSOR_INVALID, "The stored cursor was made with another paging or cursor field.")
    return place
