"""Every row of the fault matrix is tied to tests that carry its mark, or to a named reason."""

from __future__ import annotations

import pytest

from tests.faults.index import FAULTS

TABLE = "\n".join(f"| {row} | fault | design | `tests/test_a.py::test_{row}` |" for row in FAULTS.rows)
MARKED = {f"tests/test_a.py::test_{row}": {row} for row in FAULTS.rows}


def test_every_row_has_tests_that_carry_its_mark_or_a_named_reason() -> None:
    assert FAULTS.problems(FAULTS.document.read_text(), FAULTS.marks()) == []


def test_marks_are_found_on_functions_and_on_modules() -> None:
    found = FAULTS.marks()
    assert "F4" in found["tests/faults/test_kills.py::test_killed_workers_lose_nothing_and_double_nothing"]
    assert "F34" in found["tests/schedules/test_misfire.py"]


@pytest.mark.parametrize(
    ("document", "named"),
    [
        (TABLE, ""),
        (TABLE.replace("| F7 |", "| G7 |"), "F7 is not in the table"),
        (TABLE.replace("`tests/test_a.py::test_F7`", ""), "F7 has neither"),
        (TABLE.replace("`tests/test_a.py::test_F7`", "Reason: moon"), "'moon', which is explained nowhere"),
        (TABLE.replace("`tests/test_a.py::test_F7`", "Reason: moon") + "\n- **moon**: it is far.\n", ""),
        (TABLE.replace("test_F7", "test_F8"), "F7 names tests/test_a.py::test_F8"),
        (TABLE.replace("test_F7", "test_gone"), "does not carry its mark"),
    ],
)
def test_what_does_not_hold_is_named(document: str, named: str) -> None:
    found = FAULTS.problems(document, MARKED)
    assert bool(found) is bool(named)
    assert named in " ".join(found)


def test_a_mark_that_is_no_row_is_named() -> None:
    assert FAULTS.problems(TABLE, {**MARKED, "tests/test_b.py::test_x": {"F49"}}) == [
        "a test carries the mark F49, which is no row"
    ]


def test_the_tests_of_a_row_are_written_from_the_marks_and_its_reason_stays() -> None:
    table = TABLE.replace("`tests/test_a.py::test_F7`", "Reason: moon")
    marked = {**MARKED, "tests/test_b.py": {"F7"}, "tests/test_b.py::test_x": {"F7", "F8"}}
    rows = FAULTS.listed(FAULTS.rewritten(table, marked))
    assert rows["F7"] == (["tests/test_a.py::test_F7", "tests/test_b.py"], "moon")
    assert rows["F8"] == (["tests/test_a.py::test_F8", "tests/test_b.py::test_x"], "")
