"""The plugin's settings as checked values; what cannot be used is refused here, by name."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Literal, TypeVar

import msgspec

from integrations.connectors.base import Context
from integrations.connectors.rest_api.write_config import WriteConfig, require_usable
from integrations.egress import check_url_syntax
from integrations.errors import SETTINGS_INVALID, STREAM_MISSING, NeedsPerson

Style = Literal["none", "page", "offset", "cursor", "link", "next_url"]
ColumnType = Literal["text", "integer", "number", "boolean", "timestamp", "date"]
Scalar = str | int | float | bool

HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}", re.ASCII)
HEADER_VALUE = re.compile(r"[\x20-\x7e]{0,1000}", re.ASCII)
OWN_HEADERS = frozenset(
    (
        "authorization",
        "proxy-authorization",
        "cookie",
        "host",
        "connection",
        "content-length",
        "transfer-encoding",
        "accept-encoding",
    )
)
T = TypeVar("T")


class Paging(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How pages follow each other; see `spec.py` for the meaning of each field."""

    paging: Style = "none"
    size_param: str = ""
    page_size: int = 100
    page_param: str = "page"
    page_start: int = 1
    offset_param: str = "offset"
    last_page: Literal["empty", "short"] = "empty"
    cursor_param: str = "cursor"
    next_path: str = "next"
    total_path: str = ""


class StreamConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One stream as it is written in the setting `streams`."""

    name: str
    path: str
    record_path: str = ""
    primary_key: tuple[str, ...] = ()
    cursor_field: str = ""
    cursor_param: str = ""
    until_param: str = ""
    params: dict[str, Scalar] = {}
    paging: dict[str, Any] = {}  # Any: the fields of Paging, checked together with the connector's own
    types: dict[str, ColumnType] = {}
    overlap_seconds: int = 30
    read: bool = True
    write: WriteConfig | None = None


class Config(msgspec.Struct, frozen=True):
    """The settings of one connector."""

    base_url: str
    streams: dict[str, StreamConfig]
    paging: dict[str, Paging]
    headers: dict[str, str]

    def stream(self, name: str) -> StreamConfig:
        if name not in self.streams:
            raise NeedsPerson(STREAM_MISSING, f"The connector has no stream named {name!r}.")
        return self.streams[name]

    def url(self, stream: StreamConfig) -> str:
        return f"{self.base_url}/{stream.path.lstrip('/')}" if stream.path else self.base_url


def parse(context: Context) -> Config:
    """The checked settings, or NeedsPerson(SETTINGS_INVALID, ADDRESS_INVALID, ADDRESS_BLOCKED)."""
    settings = context.settings
    base_url = str(settings.get("base_url") or "")
    check_url_syntax(base_url, context.egress_allow)
    if "?" in base_url or "#" in base_url:
        raise _invalid("base_url", "it must not hold a query or a fragment")
    streams = _converted("streams", settings.get("streams"), list[StreamConfig])
    if not streams or len({stream.name for stream in streams}) != len(streams):
        raise _invalid("streams", "give at least one stream, each with a name of its own")
    for stream in streams:
        _require_usable(stream)
    return Config(
        base_url=base_url.rstrip("/"),
        streams={stream.name: stream for stream in streams},
        paging={stream.name: _paging(settings, stream) for stream in streams},
        headers=_headers(settings.get("headers") or {}),
    )


def _require_usable(stream: StreamConfig) -> None:
    if not stream.name:
        raise _invalid("streams", "a stream has no name")
    if any(char.isspace() or not char.isprintable() or char in "\\#" for char in stream.path):
        raise _invalid("streams", f"the path of {stream.name!r} holds a character that a path cannot hold")
    if not 0 <= stream.overlap_seconds <= 86_400:
        raise _invalid("streams", f"overlap_seconds of {stream.name!r} is not between 0 and 86400")
    if stream.write is not None:
        require_usable(stream.name, stream.write, own_headers=OWN_HEADERS)
    if not stream.read and stream.write is None:
        raise _invalid("streams", f"{stream.name!r} is neither read nor written")
    if stream.cursor_param and not stream.cursor_field:
        raise _invalid("streams", f"{stream.name!r} has a cursor_param without a cursor_field")
    if stream.until_param and not stream.cursor_param:
        raise _invalid("streams", f"{stream.name!r} has an until_param without a cursor_param")


def _paging(settings: Mapping[str, Any], stream: StreamConfig) -> Paging:
    own = {name: settings[name] for name in Paging.__struct_fields__ if settings.get(name) is not None}
    paging = _converted(f"streams: {stream.name}: paging", {**own, **stream.paging}, Paging)
    if not 1 <= paging.page_size <= 100_000 or paging.page_start not in {0, 1}:
        raise _invalid("page_size", "page_size is 1 to 100000, page_start 0 or 1")
    needed = {"page": paging.page_param, "offset": paging.offset_param, "cursor": paging.cursor_param}
    if not needed.get(paging.paging, "-") or (paging.paging in {"cursor", "next_url"} and not paging.next_path):
        raise _invalid("paging", f"the paging of {stream.name!r} lacks the name of its parameter or path")
    if paging.last_page == "short" and not paging.size_param:
        raise _invalid("last_page", f"{stream.name!r} can tell a short page only where it asks for a page size")
    return paging


def _headers(value: object) -> dict[str, str]:
    headers = _converted("headers", value, dict[str, str])
    for name, text in headers.items():
        if not HEADER_NAME.fullmatch(name) or not HEADER_VALUE.fullmatch(text):
            raise _invalid("headers", "a name or value holds characters that a header cannot hold")
        if name.lower() in OWN_HEADERS:
            raise _invalid("headers", f"{name} cannot be set here; use a credential for signing in")
    return headers


def _converted(name: str, value: object, kind: type[T]) -> T:
    """`value` as `kind`, or an error that names the place."""
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        raise _invalid(name, str(error)) from None


def _invalid(name: str, reason: str) -> NeedsPerson:
    return NeedsPerson(SETTINGS_INVALID, f"The setting {name} cannot be used: {reason}.", field=name)
