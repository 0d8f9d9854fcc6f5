"""Which tests prove which rows of the fault matrix: read from their marks, and kept in `docs/faults.md`.

    python -m tests.faults.index

writes the tests that carry a row's mark into the row.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
DOCUMENT = PROJECT / "docs" / "faults.md"
ROWS = tuple(f"F{number}" for number in range(1, 49))
REASON = "Reason: "
_ROW = re.compile(r"^\| (F\d+) \| (.*) \| (.*) \| (.*) \|$")
_TEST = re.compile(r"`(tests/[^`]+)`")
_NAMED = re.compile(r"^- \*\*(.+?)\*\*: .+", re.MULTILINE)


def marks() -> dict[str, set[str]]:
    """Each test that carries a mark, by id, and its rows; a module whose every test carries one is named alone, too."""
    found: dict[str, set[str]] = {}
    for path in sorted((PROJECT / "tests").rglob("test_*.py")):
        name = str(path.relative_to(PROJECT))
        for test, rows in _marks_of(ast.parse(path.read_text())):
            if rows:
                found[f"{name}::{test}" if test else name] = rows
    return found


def _marks_of(module: ast.Module) -> Iterator[tuple[str, set[str]]]:
    everywhere: set[str] = set()
    for node in module.body:
        if isinstance(node, ast.Assign) and any(isinstance(t, ast.Name) and t.id == "pytestmark" for t in node.targets):
            everywhere = _rows_in(node.value)
    yield "", everywhere
    for node in module.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
            yield node.name, everywhere.union(*(_rows_in(decorator) for decorator in node.decorator_list))


def _rows_in(node: ast.expr) -> set[str]:
    """The rows of every `pytest.mark.fault(...)` in an expression."""
    calls = [call for call in ast.walk(node) if isinstance(call, ast.Call) and _is_mark(call.func)]
    return {str(arg.value) for call in calls for arg in call.args if isinstance(arg, ast.Constant)}


def _is_mark(function: ast.expr) -> bool:
    return isinstance(function, ast.Attribute) and function.attr == "fault"


def listed(document: str) -> dict[str, tuple[list[str], str]]:
    """Each row of the document: the tests that it names, and its reason where it gives one."""
    found = {}
    for line in document.splitlines():
        if match := _ROW.match(line):
            proof = match[4]
            found[match[1]] = (_TEST.findall(proof), proof.partition(REASON)[2].partition("<br>")[0].strip())
    return found


def problems(document: str, marked: dict[str, set[str]]) -> list[str]:
    """Where the document does not hold what it says."""
    rows, reasons = listed(document), set(_NAMED.findall(document))
    found = [f"{row} is not in the table" for row in ROWS if row not in rows]
    found += [f"{row} is no row of the matrix" for row in rows if row not in ROWS]
    for row, (tests, reason) in rows.items():
        if not tests and not reason:
            found.append(f"{row} has neither a test nor a reason")
        if reason and reason not in reasons:
            found.append(f"{row} names the reason {reason!r}, which is explained nowhere")
        found += [
            f"{row} names {test}, which does not carry its mark" for test in tests if row not in marked.get(test, ())
        ]
    unknown = {row for rows_of in marked.values() for row in rows_of} - set(ROWS)
    return [*found, *(f"a test carries the mark {row}, which is no row" for row in sorted(unknown))]


def rewritten(document: str, marked: dict[str, set[str]]) -> str:
    """The document with the tests that carry each row's mark; reasons stay."""
    whole = {name for name in marked if "::" not in name}
    by_row: dict[str, list[str]] = {row: [] for row in ROWS}
    for test, rows in marked.items():
        module = test.partition("::")[0]
        for row in rows:
            if test == module or module not in whole or row not in marked[module]:
                by_row[row].append(f"`{test}`")
    reasons = {row: reason for row, (_, reason) in listed(document).items()}

    def line_of(line: str) -> str:
        match = _ROW.match(line)
        if match is None:
            return line
        row = match[1]
        proof = [*by_row.get(row, []), *([f"{REASON}{reasons[row]}"] if reasons[row] else [])]
        return f"| {row} | {match[2]} | {match[3]} | {'<br>'.join(proof)} |"

    return "\n".join(map(line_of, document.splitlines())) + "\n"


if __name__ == "__main__":
    DOCUMENT.write_text(rewritten(DOCUMENT.read_text(), marks()))
    wrong = problems(DOCUMENT.read_text(), marks())
    sys.stderr.writelines(f"{problem}\n" for problem in wrong)
    sys.exit(bool(wrong))
