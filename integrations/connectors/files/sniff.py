"""The head of a file that is not what the settings declare: caught here, so that it never reads as an empty success."""

from __future__ import annotations

from itertools import pairwise

from integrations.connectors.files.content import Content, unreadable

BOM = b"\xef\xbb\xbf"
FOREIGN_STARTS = (
    (b"\x1f\x8b", "it is compressed by gzip; its name must end in .gz"),
    (b"PK\x03\x04", "it is a ZIP archive or a spreadsheet; save it as plain text first"),
    (b"PAR1", "it is a Parquet file; choose the format Parquet"),
    (b"\xff\xfe", "it is UTF-16; choose that encoding"),
    (b"\xfe\xff", "it is UTF-16; choose that encoding"),
    (b"%PDF", "it is a PDF document"),
)
MARKUP = (b"<!doctype", b"<html", b"<?xml", b"<head", b"<body", b"<!--")
JSON_STARTS = (b'{"', b"[{", b"[[", b'["', b"[]", b"{}")


def check_head(head: bytes, content: Content) -> None:
    """Raise `NeedsPerson(FILE_UNREADABLE)` for a head that is binary, markup or another format."""
    for start, why in FOREIGN_STARTS:
        if head.startswith(start):
            raise unreadable(content.name, why)
    if b"\0" in head:
        raise unreadable(content.name, f"byte {head.index(0)} is zero, so it is binary or in another encoding")
    if head.removeprefix(BOM).lstrip()[:16].lower().startswith(MARKUP):
        raise unreadable(content.name, "it is a web page or XML")


def check_not_json(head: bytes, content: Content) -> None:
    """Raise `NeedsPerson(FILE_UNREADABLE)` where CSV is declared and JSON is there."""
    if b"".join(head[:64].removeprefix(BOM).split()).startswith(JSON_STARTS):
        raise unreadable(content.name, "it is JSON; choose the format JSON Lines")


def checked_names(cells: list[str], content: Content) -> list[str]:
    """Return the column names of a header line, or raise where it cannot be one."""
    if not cells:
        raise unreadable(content.name, "it is empty, and its first line should hold the column names")
    if all(_is_number(cell) for cell in cells):
        raise unreadable(content.name, "its first line holds numbers where the column names should be")
    names = [cell.strip() or f"column_{number}" for number, cell in enumerate(cells, start=1)]
    twice = [name for name, following in pairwise(sorted(names)) if name == following]
    if twice:
        raise unreadable(content.name, f"two columns are called {twice[0]!r}")
    return names


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True
