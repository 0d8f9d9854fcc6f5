"""What is committed names no registry and no machine; the scan for it can fail."""

from pathlib import Path

import pytest

from tests.ops.committed_files import committed, findings


def test_no_committed_line_names_a_registry_or_a_machine() -> None:
    assert list(findings(committed())) == []


@pytest.mark.parametrize(
    "line",
    [
        "see https://files.python" + "hosted.org/packages",
        '"resolved": "https://registry' + ".npm" + 'js.org/uplot"',
        "--index-url https://pypi" + ".org/simple",
        "data = '/home" + "/alice/data.csv'",
        "cd /work" + "/main",
    ],
)
def test_such_a_line_is_found(tmp_path: Path, line: str) -> None:
    (tmp_path / "file.txt").write_text(f"first\n{line}\n")
    (found,) = findings([tmp_path / "file.txt"])
    assert ":2:" in found


@pytest.mark.parametrize("line", ["path = tmp_path / 'work/list'", "a homepage", "GET /api/v1/work/items"])
def test_a_harmless_line_is_not(tmp_path: Path, line: str) -> None:
    (tmp_path / "file.txt").write_text(line)
    assert list(findings([tmp_path / "file.txt"])) == []


def test_binary_files_and_files_that_are_gone_are_passed_over(tmp_path: Path) -> None:
    (tmp_path / "image.png").write_bytes(b"\x89PNG\0\0 pypi" + b".org")
    assert list(findings([tmp_path / "image.png", tmp_path / "gone"])) == []
