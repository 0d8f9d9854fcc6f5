"""Reads an answer's body: unpacked piece by piece, and stopped at the limits whatever its headers promise."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import Protocol

import httpx2

from integrations.errors import ANSWER_TOO_LARGE, ANSWER_UNDECODABLE, NeedsPerson

# Decoded bytes for each byte received; small answers may compress better than that.
MAX_RATIO = 100
RATIO_FREE_BYTES = 1024 * 1024
MAX_HEADER_BYTES = 64 * 1024
# No more than this is unpacked before the limits are looked at.
PIECE_BYTES = 256 * 1024
_PLAIN = frozenset(("", "identity"))
_PACKED = frozenset(("gzip", "deflate"))


class Inflating(Protocol):
    """What `zlib.decompressobj` returns."""

    @property
    def unconsumed_tail(self) -> bytes: ...
    @property
    def unused_data(self) -> bytes: ...
    @property
    def eof(self) -> bool: ...
    def decompress(self, data: bytes, max_length: int, /) -> bytes: ...


def read_body(response: httpx2.Response, name: str, limit: int) -> bytes:
    """The decoded body of at most `limit` bytes; `name` is the request in words for a person.

    Raises NeedsPerson(ANSWER_TOO_LARGE, ANSWER_UNDECODABLE).
    """
    require_small_headers(response, name)
    encoding = response.headers.get("content-encoding", "").strip().lower()
    if encoding not in _PLAIN | _PACKED:
        raise NeedsPerson(ANSWER_UNDECODABLE, f"{name} answered in an encoding that was not asked for.")
    if encoding in _PLAIN and _promised(response) > limit:
        raise _too_large(name, limit)
    raw = response.iter_raw()
    body = bytearray()
    for piece in raw if encoding in _PLAIN else _unpacked(raw, encoding, name):
        body += piece
        if max(len(body), response.num_bytes_downloaded) > limit:
            raise _too_large(name, limit)
        if len(body) > RATIO_FREE_BYTES and len(body) > MAX_RATIO * response.num_bytes_downloaded:
            raise NeedsPerson(
                ANSWER_TOO_LARGE,
                f"{name} answered with bytes that grow more than {MAX_RATIO} times when unpacked.",
                what_to_do="Ask for smaller pages; an honest answer does not repeat itself so much.",
            )
    return bytes(body)


def require_small_headers(response: httpx2.Response, name: str) -> None:
    """Refuse an answer whose headers alone are large."""
    if sum(len(header) + len(value) for header, value in response.headers.raw) > MAX_HEADER_BYTES:
        raise large_headers(name)


def large_headers(name: str) -> NeedsPerson:
    """The refusal of headers beyond the limit, also where the parser has given up on them."""
    return NeedsPerson(
        ANSWER_TOO_LARGE,
        f"{name} answered with more than {MAX_HEADER_BYTES // 1024} KB of headers.",
        what_to_do="Ask the other system's operator why; no policy raises this limit.",
    )


def _promised(response: httpx2.Response) -> int:
    """The length that the headers tell, or 0; a text of digits that is too long to be one is the largest."""
    text = response.headers.get("content-length", "")
    return int(text[:20]) if text.isascii() and text.isdecimal() else 0


def _too_large(name: str, limit: int) -> NeedsPerson:
    return NeedsPerson(ANSWER_TOO_LARGE, f"{name} answered with more than {limit:,} bytes.")


def _unpacked(raw: Iterator[bytes], encoding: str, name: str) -> Iterator[bytes]:
    """The unpacked bytes in pieces. An answer may consist of several packed members, one after the other."""
    inflate: Inflating | None = None
    try:
        for data in raw:
            rest = data
            while rest:
                if inflate is None or inflate.eof:
                    inflate = _inflater(encoding, rest)
                piece = inflate.decompress(rest, PIECE_BYTES)
                rest = inflate.unused_data if inflate.eof else inflate.unconsumed_tail
                yield piece
        if inflate is not None and not inflate.eof:
            yield inflate.decompress(b"", PIECE_BYTES)
    except zlib.error:
        raise _undecodable(name) from None
    if inflate is not None and not inflate.eof:
        raise _undecodable(name)


def _inflater(encoding: str, start: bytes) -> Inflating:
    """gzip; or deflate, which some servers send without the zlib header that it should have (RFC 9110, 8.4.1.2)."""
    if encoding == "gzip":
        return zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
    has_header = start[0] & 0x0F == 8 and (len(start) == 1 or (start[0] << 8 | start[1]) % 31 == 0)
    return zlib.decompressobj(wbits=zlib.MAX_WBITS if has_header else -zlib.MAX_WBITS)


def _undecodable(name: str) -> NeedsPerson:
    return NeedsPerson(ANSWER_UNDECODABLE, f"{name} answered with bytes that cannot be unpacked.")
