"""The list of errors in the documentation is whole, and every code that the code raises is declared."""

from __future__ import annotations

from pathlib import Path

from config.error_docs import render_errors

ROOT = Path(__file__).parents[2]


def test_the_documented_errors_are_those_of_the_code() -> None:
    documented = (ROOT / "docs" / "errors.md").read_text()
    assert documented == render_errors(), "run: manage.py errors > docs/errors.md"


def test_every_error_says_what_to_do_in_a_sentence() -> None:
    rows = [line for line in render_errors().splitlines() if line.startswith("| `")]
    assert len(rows) > 30
    for row in rows:
        code, meaning, what_to_do = (cell.strip() for cell in row.strip("|").split("|"))
        assert meaning.endswith((".", ")")), code
        assert what_to_do.endswith("."), code
