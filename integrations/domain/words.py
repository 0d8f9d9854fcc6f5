"""Numbers with the thing that they count, in the right number."""

from __future__ import annotations


def counted(number: int, one: str, many: str = "") -> str:
    """`1 record`, `1,204 records`; `many` where it is not `one` and an s."""
    return f"1 {one}" if number == 1 else f"{number:,} {many or f'{one}s'}"


def counted_were(number: int, one: str) -> str:
    """`1 record was`, `2 records were`."""
    return f"{counted(number, one)} {'was' if number == 1 else 'were'}"
