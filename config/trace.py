"""Trace ids: one for each request and task, so that all their log lines can be found together."""

import re
import uuid
from collections.abc import Mapping

RESPONSE_HEADER = "X-Trace-Id"
# https://www.w3.org/TR/trace-context/#traceparent-header
_TRACEPARENT = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}")
_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{7,63}")
_NOT_AN_ID = "0" * 32


def new_trace_id() -> str:
    """32 hexadecimal digits, as W3C Trace Context has them."""
    return uuid.uuid4().hex


def trace_id_from(headers: Mapping[str, str]) -> str:
    """The caller's trace id where its form is harmless (`traceparent`, then `X-Trace-Id`), else a new one."""
    parent = _TRACEPARENT.fullmatch(headers.get("traceparent", ""))
    if parent and parent[1] != _NOT_AN_ID:
        return parent[1]
    given = headers.get(RESPONSE_HEADER, "")
    return given if _PLAIN.fullmatch(given) else new_trace_id()
