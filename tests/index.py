"""Which tests prove which rows of a table: read from their marks, and kept in a document that says so."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]
REASON = "Reason: "
_TEST = re.compile(r"`(tests/[^`]+)`")
_NAMED = re.compile(r"^- \*\*(.+?)\*\*: .+", re.MULTILINE)


@dataclass(frozen=True)
class Index:
    """A document whose table has a line for each of `rows`, and the mark that tests carry for them.

    A line is: row, two cells of words, and the proof: tests, or `Reason:` and a name that the document explains.
    """

    document: Path
    rows: tuple[str, ...]
    mark: str

    def marks(self) -> dict[str, set[str]]:
        """Each test that carries the mark, by id, and its rows; a module whose every test does is named alone, too."""
        found: dict[str, set[str]] = {}
        for path in sorted((PROJECT / "tests").rglob("test_*.py")):
            name = str(path.relative_to(PROJECT))
            for test, rows in _marks_of(ast.parse(path.read_text()), self.mark):
                if rows:
                    found[f"{name}::{test}" if test else name] = rows
        return found

    def listed(self, document: str) -> dict[str, tuple[list[str], str]]:
        """Each row of the document: the tests that it names, and its reason where it gives one."""
        found = {}
        for line in document.splitlines():
            if cells := _cells_of(line):
                proof = cells[3]
                found[cells[0]] = (_TEST.findall(proof), proof.partition(REASON)[2].partition("<br>")[0].strip())
        return found

    def problems(self, document: str, marked: dict[str, set[str]]) -> list[str]:
        """Where the document does not hold what it says."""
        rows, reasons = self.listed(document), set(_NAMED.findall(document))
        found = [f"{row} is not in the table" for row in self.rows if row not in rows]
        found += [f"{row} is no row of the table" for row in rows if row not in self.rows]
        for row, (tests, reason) in rows.items():
            if not tests and not reason:
                found.append(f"{row} has neither a test nor a reason")
            if reason and reason not in reasons:
                found.append(f"{row} names the reason {reason!r}, which is explained nowhere")
            without = [test for test in tests if row not in marked.get(test, ())]
            found += [f"{row} names {test}, which does not carry its mark" for test in without]
        unknown = {row for rows_of in marked.values() for row in rows_of} - set(self.rows)
        return [*found, *(f"a test carries the mark {row}, which is no row" for row in sorted(unknown))]

    def rewritten(self, document: str, marked: dict[str, set[str]]) -> str:
        """The document with the tests that carry each row's mark; reasons stay."""
        by_row = self._tests_by_row(marked)
        reasons = {row: reason for row, (_, reason) in self.listed(document).items()}

        def line_of(line: str) -> str:
            cells = _cells_of(line)
            if not cells:
                return line
            row = cells[0]
            proof = [*by_row.get(row, []), *([f"{REASON}{reasons[row]}"] if reasons[row] else [])]
            return f"| {row} | {cells[1]} | {cells[2]} | {'<br>'.join(proof)} |"

        return "\n".join(map(line_of, document.splitlines())) + "\n"

    def main(self) -> None:
        """Write the tests of each row anew; end with 1 where something does not hold."""
        self.document.write_text(self.rewritten(self.document.read_text(), self.marks()))
        wrong = self.problems(self.document.read_text(), self.marks())
        sys.stderr.writelines(f"{problem}\n" for problem in wrong)
        sys.exit(bool(wrong))

    def _tests_by_row(self, marked: dict[str, set[str]]) -> dict[str, list[str]]:
        whole = {name for name in marked if "::" not in name}
        by_row: dict[str, list[str]] = {row: [] for row in self.rows}
        for test, rows in marked.items():
            module = test.partition("::")[0]
            for row in rows:
                if test == module or module not in whole or row not in marked[module]:
                    by_row.setdefault(row, []).append(f"`{test}`")
        return by_row


def _cells_of(line: str) -> list[str]:
    """The four cells of a line of the table; nothing for its head and for other lines."""
    if not line.startswith("| ") or not line.endswith(" |"):
        return []
    cells = line[2:-2].split(" | ")
    return cells if len(cells) == 4 and cells[0][-1:].isalnum() and any(c.isdigit() for c in cells[0]) else []


def _marks_of(module: ast.Module, mark: str) -> Iterator[tuple[str, set[str]]]:
    everywhere: set[str] = set()
    for node in module.body:
        if isinstance(node, ast.Assign) and any(isinstance(t, ast.Name) and t.id == "pytestmark" for t in node.targets):
            everywhere = _rows_in(node.value, mark)
    yield "", everywhere
    for node in module.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
            yield node.name, everywhere.union(*(_rows_in(decorator, mark) for decorator in node.decorator_list))


def _rows_in(node: ast.expr, mark: str) -> set[str]:
    """The rows of every `pytest.mark.<mark>(...)` in an expression."""
    calls = [call for call in ast.walk(node) if isinstance(call, ast.Call) and _is_mark(call.func, mark)]
    return {str(arg.value) for call in calls for arg in call.args if isinstance(arg, ast.Constant)}


def _is_mark(function: ast.expr, mark: str) -> bool:
    return isinstance(function, ast.Attribute) and function.attr == mark
