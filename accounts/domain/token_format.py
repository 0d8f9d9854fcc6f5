"""What an API token looks like, and the only form in which it is stored.

`sbx_<8 characters: id>_<43 characters base64url: 32 random bytes>_<8 hexadecimal digits: CRC-32>`. The checksum lets a
typing mistake be told from a wrong token without a look at the database, and secret scanners confirm a find.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import zlib
from base64 import urlsafe_b64encode
from dataclasses import dataclass, field

PREFIX = "sbx"
ID_ALPHABET = "abcdefghijkmnpqrstuvwxyz23456789"
ID_LENGTH = 8
SECRET_BYTES = 32
_FORM = re.compile(rf"({PREFIX}_([{ID_ALPHABET}]{{8}})_([A-Za-z0-9_-]{{43}}))_([0-9a-f]{{8}})", re.ASCII)


@dataclass(frozen=True)
class TokenParts:
    """A token taken apart; the secret stays out of its repr."""

    key_id: str
    secret: str = field(repr=False)

    @property
    def text(self) -> str:
        """The whole token, as its owner keeps it."""
        body = f"{PREFIX}_{self.key_id}_{self.secret}"
        return f"{body}_{_checksum(body)}"


def make(id_source: bytes, secret_source: bytes) -> TokenParts:
    """Make a token from random bytes: 8 for the id, 32 for the secret."""
    if len(id_source) != ID_LENGTH or len(secret_source) != SECRET_BYTES:
        raise ValueError("a token is made from 8 and 32 random bytes")
    key_id = "".join(ID_ALPHABET[byte % len(ID_ALPHABET)] for byte in id_source)
    return TokenParts(key_id, urlsafe_b64encode(secret_source).rstrip(b"=").decode("ascii"))


def parse(text: str) -> TokenParts | None:
    """Take a token apart; None where it is not one or was mistyped."""
    match = _FORM.fullmatch(text)
    if match is None or not hmac.compare_digest(_checksum(match[1]), match[4]):
        return None
    return TokenParts(match[2], match[3])


def digest(pepper: str, secret: str) -> str:
    """What is stored: HMAC-SHA256 under the instance's pepper, 64 hexadecimal digits."""
    return hmac.new(pepper.encode(), secret.encode(), hashlib.sha256).hexdigest()


def _checksum(body: str) -> str:
    return f"{zlib.crc32(body.encode()):08x}"
