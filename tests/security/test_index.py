"""Every row of what others got wrong is tied to tests that carry its mark, or to a named reason."""

from __future__ import annotations

from tests.security.index import ROWS, SECURITY


def test_every_row_has_tests_that_carry_its_mark_or_a_named_reason() -> None:
    assert SECURITY.problems(SECURITY.document.read_text(), SECURITY.marks()) == []


def test_there_are_ninety_rows() -> None:
    assert len(set(ROWS)) == 90
