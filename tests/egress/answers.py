"""Hostile answers over HTTP, as data: what is sent, piece by piece and maybe without an end, and how it must end."""

from __future__ import annotations

import itertools
import json
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

Pieces = Iterator[bytes]
MEGABYTE = 1024 * 1024
ZEROS = bytes(MEGABYTE)
NOT_ASKED_FOR = (
    "br",
    "zstd",
    "compress",
    "gzip, gzip",
    "gzip,gzip,gzip",
    "identity, gzip",
    "br, gzip",
    "gzip;q=1",
    "*",
)


@dataclass(frozen=True)
class Hostile:
    """One answer. `codes` are the errors by which it may end; `is_slow` pauses a moment before each piece."""

    pieces: Callable[[], Pieces]
    codes: frozenset[str]
    is_slow: bool = False


def head(*headers: str, status: str = "200 OK") -> bytes:
    """The first lines of an answer, up to its body, which ends with the connection."""
    lines = [f"HTTP/1.1 {status}", "content-type: application/json", "connection: close", *headers]
    return "\r\n".join([*lines, "", ""]).encode()


def packed(encoding: str, megabytes: int) -> Pieces:
    """So many megabytes of zeros, packed a thousand times smaller; one block says it all, so it is made once."""
    wbits = {"gzip": 31, "zlib": 15, "raw": -15}[encoding]
    packer = zlib.compressobj(9, wbits=wbits)
    start = packer.compress(b"[") + packer.flush(zlib.Z_FULL_FLUSH)
    block = packer.compress(ZEROS) + packer.flush(zlib.Z_FULL_FLUSH)
    yield start
    for _ in range(megabytes):
        yield block


def bomb(encoding: str, megabytes: int, status: str = "200 OK") -> Callable[[], Pieces]:
    named = {"gzip": "gzip", "zlib": "deflate", "raw": "deflate"}[encoding]
    return lambda: itertools.chain([head(f"content-encoding: {named}", status=status)], packed(encoding, megabytes))


def whole(*headers: str, body: bytes = b"", status: str = "200 OK") -> Callable[[], Pieces]:
    return lambda: iter([head(*headers, status=status), body])


def endless(first: bytes, more: bytes) -> Callable[[], Pieces]:
    return lambda: itertools.chain([first], itertools.repeat(more))


def document(text: bytes) -> Callable[[], Pieces]:
    return whole(f"content-length: {len(text)}", body=text)


def chunks(piece: bytes) -> bytes:
    return f"{len(piece):x}\r\n".encode() + piece + b"\r\n"


def _unpacking() -> Iterator[tuple[str, Hostile]]:
    for encoding, megabytes in itertools.product(("gzip", "zlib", "raw"), (2, 30, 1_000, 10_000)):
        yield f"{encoding}-{megabytes}-mb", Hostile(bomb(encoding, megabytes), TOO_LARGE)
    for status, code in (("302 Found", "redirect_refused"), ("500 Oops", "server_failed"), ("403 No", REFUSED)):
        for encoding in ("gzip", "raw"):
            yield f"{encoding}-on-{status[:3]}", Hostile(bomb(encoding, 1_000, status), frozenset({code}))
    doubly = zlib.compress(zlib.compress(ZEROS * 30, 9), 9)
    for name in (
        "br",
        "zstd",
        "compress",
        "gzip, gzip",
        "gzip,gzip,gzip",
        "identity, gzip",
        "br, gzip",
        "gzip;q=1",
        "*",
    ):
        yield f"encoding-{name}", Hostile(whole(f"content-encoding: {name}", body=doubly), UNDECODABLE)
    twice = whole("content-encoding: gzip", "content-encoding: gzip", body=doubly)
    yield "encoding-twice", Hostile(twice, UNDECODABLE)
    yield "packed-in-packed", Hostile(whole("content-encoding: deflate", body=doubly), UNDECODABLE)
    broken = zlib.compressobj(9, wbits=31).compress(b'[{"id": 1}]')
    yield "gzip-breaks-off", Hostile(whole("content-encoding: gzip", body=broken), UNDECODABLE)
    empty = zlib.compressobj(9, wbits=31)
    member = (empty.compress(b"") + empty.flush()) * 2000
    yield "gzip-empty-members", Hostile(endless(head("content-encoding: gzip"), member), LATE | TOO_LARGE)
    with_name = b"\x1f\x8b\x08\x08" + bytes(6)
    yield "gzip-endless-name", Hostile(endless(head("content-encoding: gzip") + with_name, b"a" * 65536), TOO_LARGE)


def _lengths() -> Iterator[tuple[str, Hostile]]:
    yield "endless", Hostile(endless(head(), b" " * 65536), TOO_LARGE)
    yield "promises-a-petabyte", Hostile(endless(head(f"content-length: {10**15}"), b" " * 65536), TOO_LARGE)
    chunked = head("transfer-encoding: chunked")
    yield "endless-chunks", Hostile(endless(chunked, chunks(b" " * 65536)), TOO_LARGE)
    yield "endless-chunks-of-a-byte", Hostile(endless(chunked, chunks(b" ") * 5000), LATE | TOO_LARGE)
    yield "endless-chunk-extension", Hostile(endless(chunked + b"1;", b"x" * 65536), TOO_LARGE)
    yield "a-chunk-of-2-to-the-80", Hostile(endless(chunked + b"f" * 20 + b"\r\n", b" " * 65536), TOO_LARGE | BROKEN)
    yield "endless-trailers", Hostile(endless(chunked + b"0\r\n", b"x: y\r\n" * 5000), TOO_LARGE)
    yield "endless-continue", Hostile(endless(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 500), LATE)


def _headers() -> Iterator[tuple[str, Hostile]]:
    yield "header-70-kb", Hostile(whole("x: " + "y" * 70_000, body=b"[]"), TOO_LARGE)
    yield "header-1-mb", Hostile(whole("x: " + "y" * MEGABYTE, body=b"[]"), TOO_LARGE)
    yield "headers-3000", Hostile(whole(*(f"x-{n}: {'y' * 20}" for n in range(3000)), body=b"[]"), TOO_LARGE)
    yield "endless-header", Hostile(endless(b"HTTP/1.1 200 OK\r\nx: ", b"y" * 65536), TOO_LARGE)
    yield "endless-headers", Hostile(endless(b"HTTP/1.1 200 OK\r\n", b"x: y\r\n" * 5000), TOO_LARGE)
    yield "endless-status", Hostile(endless(b"HTTP/1.1 200 ", b"y" * 65536), TOO_LARGE)
    yield "no-http", Hostile(endless(b"", b"\x00" * 65536), TOO_LARGE | BROKEN)


def _drips() -> Iterator[tuple[str, Hostile]]:
    yield "drip-of-status", Hostile(endless(b"HTTP/1.1 200 ", b"y"), LATE, is_slow=True)
    yield "drip-of-headers", Hostile(endless(b"HTTP/1.1 200 OK\r\n", b"x: y\r\n"), LATE, is_slow=True)
    yield "drip-of-body", Hostile(endless(head("content-length: 9999999"), b" "), LATE, is_slow=True)
    yield (
        "drip-of-gzip",
        Hostile(
            lambda: itertools.chain(
                [head("content-encoding: gzip")], (bytes([b]) for b in b"".join(packed("gzip", 2)))
            ),
            LATE,
            is_slow=True,
        ),
    )


def _json() -> Iterator[tuple[str, Hostile]]:
    for levels in (65, 500, 5_000, 1_000_000):
        deep = b"[" * levels + b"]" * levels
        codes = TOO_LARGE if levels < 1_000 else TOO_LARGE | UNDECODABLE
        yield f"json-{levels}-lists", Hostile(document(b'[{"a": ' + deep + b"}]"), codes)
    objects = b'{"a":' * 100_000 + b"1" + b"}" * 100_000
    yield "json-objects-in-objects", Hostile(document(b"[" + objects + b"]"), TOO_LARGE | UNDECODABLE)
    yield "json-never-closed", Hostile(document(b"[" * 5_000_000), UNDECODABLE)
    wide = json.dumps([{f"key {n}": n for n in range(100_000)}]).encode()
    yield "json-100000-keys", Hostile(document(wide), TOO_LARGE)
    spread = json.dumps([{f"key {n}": n} for n in range(100_000)]).encode()
    yield "json-100000-keys-in-as-many-records", Hostile(document(spread), TOO_LARGE | FINE)
    numbers = {"digits": b"9" * 10**7, "fraction": b"0." + b"9" * 10**7, "exponent": b"1e" + b"9" * 10**7}
    for name, number in numbers.items():
        codes = FINE if name == "fraction" else FINE | UNDECODABLE if name == "exponent" else NO_RECORDS
        yield f"json-number-{name}", Hostile(document(b'[{"a": ' + number + b"}]"), codes)
    yield "json-same-key", Hostile(document(b'[{"a": 1, "a": 2}]'), UNDECODABLE)


TOO_LARGE = frozenset({"answer_too_large"})
UNDECODABLE = frozenset({"answer_undecodable"})
NO_RECORDS = frozenset({"records_not_found"})
LATE = frozenset({"timed_out"})
BROKEN = frozenset({"unreachable"})
# What can be read all the same: a fraction of ten million digits is a number that is rounded.
FINE = frozenset({""})
REFUSED = "credential_refused"

ANSWERS: dict[str, Hostile] = {
    name: answer
    for part in (_unpacking, _lengths, _headers, _drips, _json)
    for name, answer in part()
}  # fmt: skip
