"""The house rules that a machine can hold: imports look one way, files stay small."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.ops.committed_files import committed

PROJECT = Path(__file__).resolve().parents[2]
LINES = 400
LINT_IMPORTS = "import sys; from importlinter.cli import lint_imports; sys.exit(lint_imports(no_cache=True))"
CONTRACT = """
[tool.importlinter]
root_packages = ["upper", "lower"]
[[tool.importlinter.contracts]]
name = "One way"
type = "layers"
layers = ["upper", "lower"]
"""


def lint_imports(folder: Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-c", LINT_IMPORTS], cwd=folder, capture_output=True, text=True, timeout=120, check=False
    )


def test_every_import_looks_down() -> None:
    result = lint_imports(PROJECT)
    assert result.returncode == 0, result.stdout


@pytest.mark.parametrize(("statement", "code"), [("", 0), ("import upper", 1)])
def test_the_check_sees_an_import_that_looks_up(tmp_path: Path, statement: str, code: int) -> None:
    (tmp_path / "pyproject.toml").write_text(CONTRACT)
    for package, content in (("upper", ""), ("lower", statement)):
        (tmp_path / package).mkdir()
        (tmp_path / package / "__init__.py").write_text(content)
    assert lint_imports(tmp_path).returncode == code


def test_no_module_is_longer_than_a_person_reads_at_once() -> None:
    modules = [path for path in committed() if path.suffix == ".py" and "migrations" not in path.parts]
    long = {
        str(path): count for path in modules if path.is_file() and (count := len(path.read_text().splitlines())) > LINES
    }
    assert long == {}
