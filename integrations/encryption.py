"""Encryption of secrets and payloads: AES-256-GCM under a key ring, bound to its row by associated data.

Stored form: `v1.<key id>.A256GCM.<nonce>.<ciphertext>`, the last two base64url without padding. The associated data
names workspace, table, row and field, so a ciphertext that is copied to another row does not decrypt.
"""

from __future__ import annotations

import hashlib
import os
from base64 import b64decode, urlsafe_b64decode, urlsafe_b64encode

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.conf import settings

FORMAT = "v1"
ALGORITHM = "A256GCM"
NONCE_BYTES = 12


class UndecryptableError(Exception):
    """The stored form is damaged, was moved from another row, or its key is not in the ring."""


def _encode(raw: bytes) -> str:
    return urlsafe_b64encode(raw).rstrip(b"=").decode()


def _decode(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))


def key_id(key: bytes) -> str:
    """A key's public name: eight hex digits of its hash."""
    return hashlib.sha256(b"signalbox key id" + key).hexdigest()[:8]


def key_ring() -> dict[str, bytes]:
    """Key id -> key, the current one first. `MASTER_KEY` may list older ones behind it, separated by commas."""
    keys = [b64decode(part, validate=True) for part in settings.MASTER_KEY.split(",")]
    return {key_id(key): key for key in keys}


def associated_data(*, workspace: object, table: str, row: object, field: str) -> str:
    """The text that binds a ciphertext to one field of one row."""
    return f"{workspace}|{table}|{row}|{field}|{FORMAT}"


def encrypt(plaintext: bytes, *, bound_to: str) -> str:
    """Encrypt under the ring's current key; `bound_to` is the associated data that decryption must repeat."""
    kid, key = next(iter(key_ring().items()))
    nonce = os.urandom(NONCE_BYTES)
    sealed = AESGCM(key).encrypt(nonce, plaintext, f"{bound_to}|{kid}".encode())
    return ".".join((FORMAT, kid, ALGORITHM, _encode(nonce), _encode(sealed)))


def decrypt(stored: str, *, bound_to: str) -> bytes:
    """Decrypt a stored form. Raises UndecryptableError; its message holds no key, no plaintext."""
    try:
        version, kid, algorithm, nonce, sealed = stored.split(".")
    except ValueError:
        raise UndecryptableError("The stored secret does not have five parts.") from None
    if (version, algorithm) != (FORMAT, ALGORITHM):
        raise UndecryptableError(f"The stored secret has the unknown format {version}.{algorithm}.")
    key = key_ring().get(kid)
    if key is None:
        raise UndecryptableError(f"The key {kid} is not in the key ring. Add it to SIGNALBOX_MASTER_KEY.")
    try:
        return AESGCM(key).decrypt(_decode(nonce), _decode(sealed), f"{bound_to}|{kid}".encode())
    except (InvalidTag, ValueError):
        raise UndecryptableError("The stored secret does not belong to this row, or is damaged.") from None
