"""How deep an answer is nested, told without parsing it: the parsers behind this one have stacks that end."""

from __future__ import annotations

MAX_DEPTH = 64

_OTHERS = bytes(set(range(256)) - set(b'[]{}"'))
_ONE_KIND = bytes.maketrans(b"{}", b"[]")


def is_too_deep(body: bytes, rows: int) -> bool:
    """Whether valid JSON with `rows` records is nested deeper than `MAX_DEPTH`.

    An answer that opens hardly more brackets than it has records is let through after counting these.
    """
    if body.count(b"[") + body.count(b"{") - rows < MAX_DEPTH:
        return False
    left = _brackets(body)
    # Each time the innermost pairs are taken away, one level is gone.
    for _ in range(MAX_DEPTH):
        if not left:
            return False
        left = left.replace(b"[]", b"")
    return bool(left)


def _brackets(body: bytes) -> bytes:
    """The brackets outside of texts: once no quote is escaped, those in every second piece."""
    if b"\\" in body:
        body = body.replace(rb"\\", b"").replace(rb"\"", b"")
    marks = body.translate(_ONE_KIND, _OTHERS).replace(b'""', b"")
    return b"".join(marks.split(b'"')[::2])
