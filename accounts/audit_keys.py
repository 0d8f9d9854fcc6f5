"""The keys that sign the audit log: derived from the master keys, for this purpose alone."""

from __future__ import annotations

import hashlib
from base64 import b64decode
from functools import lru_cache
from types import MappingProxyType
from typing import NamedTuple

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings

AUDIT, ANCHOR = "audit", "audit-anchor"
Ring = MappingProxyType[str, bytes]


class SigningKey(NamedTuple):
    """`id` names the master key that it comes from, as `manage.py keys status` does."""

    id: str
    key: bytes


def current(purpose: str = AUDIT) -> SigningKey:
    """The key that signs what is written now."""
    return SigningKey(*next(iter(ring(purpose).items())))


def ring(purpose: str = AUDIT) -> Ring:
    """Key id -> signing key, the current one first; older master keys stay, so that old entries can be proved."""
    return _derived(settings.MASTER_KEY, purpose)


@lru_cache(maxsize=8)
def _derived(master_keys: str, purpose: str) -> Ring:
    keys = [b64decode(part, validate=True) for part in master_keys.split(",")]
    return MappingProxyType({_id(key): _derive(key, purpose) for key in keys})


def _id(master_key: bytes) -> str:
    return hashlib.sha256(b"signalbox key id" + master_key).hexdigest()[:8]


def _derive(master_key: bytes, purpose: str) -> bytes:
    return HKDF(SHA256(), length=32, salt=None, info=f"signalbox {purpose}".encode()).derive(master_key)
