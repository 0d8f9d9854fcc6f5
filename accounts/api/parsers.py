"""Reads the JSON of a request's body within bounds: its length, its depth, the names of an object."""

from __future__ import annotations

import codecs
import io
import json
from collections.abc import Mapping
from typing import IO, Any

from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from rest_framework.exceptions import ParseError
from rest_framework.parsers import JSONParser
from rest_framework.utils import json as strict_json

NAMES_AT_MOST = 2_000


class BoundedJSONParser(JSONParser):
    """JSON whose cost is bounded before any serializer looks at it."""

    # A body is JSON of every shape; DRF passes the media type.
    def parse(
        self,
        stream: IO[bytes],
        media_type: str | None = None,  # noqa: ARG002 - there is one
        parser_context: Mapping[str, Any] | None = None,
    ) -> Any:
        """The body's value; ParseError for what is no JSON, is nested too deep, or has too many names.

        RequestDataTooBig for what is too long.
        """
        encoding = (parser_context or {}).get("encoding", settings.DEFAULT_CHARSET)
        body = stream.read(settings.DATA_UPLOAD_MAX_MEMORY_SIZE + 1)
        if len(body) > settings.DATA_UPLOAD_MAX_MEMORY_SIZE:
            raise RequestDataTooBig
        reader = codecs.getreader(encoding)(io.BytesIO(body))
        try:
            return json.load(reader, object_pairs_hook=_object, parse_constant=strict_json.strict_constant)
        except RecursionError as error:
            raise ParseError("The JSON is nested too deep.") from error
        except ValueError as error:
            raise ParseError(f"JSON parse error - {error}") from error


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(pairs) > NAMES_AT_MOST:
        raise ParseError(f"An object of the JSON has more than {NAMES_AT_MOST} names.")
    return dict(pairs)
