"""Asking an API for a past range of a stream, by the parameters that the stream declares."""

from __future__ import annotations

from integrations.connectors.base import Range
from integrations.connectors.rest_api.config import StreamConfig
from integrations.connectors.rest_api.incremental import moved
from integrations.errors import RANGE_UNSUPPORTED, NeedsPerson


def range_fields_of(stream: StreamConfig) -> tuple[str, ...]:
    """The field that the stream can be asked by. Raises NeedsPerson where it declares none."""
    if not stream.cursor_param:
        raise NeedsPerson(
            RANGE_UNSUPPORTED,
            f"The stream {stream.name} declares no parameter to ask for a range by.",
            what_to_do="Add cursor_field and cursor_param to the stream in the connector's settings, and until_param "
            "where the API has one.",
        )
    return (stream.cursor_field,)


def bounds_of(stream: StreamConfig, within: Range) -> tuple[tuple[str, str], ...]:
    """The parameters of a range, a little wider than it: some APIs take a bound as “after”, others as “at or after”."""
    low = (stream.cursor_param, moved(within.low, -stream.overlap_seconds))
    high = (stream.until_param, moved(within.high, stream.overlap_seconds))
    return (low, high) if stream.until_param else (low,)
