"""The chain of the audit log: what of an entry is signed, and how each signature holds the one before it."""

from __future__ import annotations

import hashlib
import hmac
import json
from ipaddress import ip_address
from typing import NamedTuple

Json = dict[str, object] | None
# The scope's first entry follows nothing.
NOTHING = ""
_FORMAT = "v1"
_encode = json.JSONEncoder(sort_keys=True, separators=(",", ":"), default=repr).encode


class Columns(NamedTuple):
    """An entry's columns in the order of signing: ids in hex, `at` as `YYYY-MM-DD HH:MM:SS.ffffff` in UTC."""

    id: str
    workspace: str | None
    seq: int
    at: str
    actor: str | None
    actor_label: str
    token: str | None
    ip: str | None
    action: str
    object_type: str
    object_id: str
    object_label: str
    before: Json
    after: Json
    request_id: str
    key_id: str


def canonical(columns: Columns) -> bytes:
    """One JSON array in ASCII: the format, then each column; keys of objects sorted, no spaces."""
    return _encode((_FORMAT, *columns)).encode("ascii")


def signature(key: bytes, columns: Columns, prev: str) -> str:
    """HMAC-SHA256 over the canonical columns and the signature of the entry before, in hex."""
    return hmac.digest(key, canonical(columns) + b"\n" + prev.encode(), hashlib.sha256).hex()


def plain_ip(text: str) -> str:
    """An address as both databases give it back; anything that is none stays, and then fits no signature."""
    try:
        return str(ip_address(text)) if ":" in text else text
    except ValueError:
        return text
