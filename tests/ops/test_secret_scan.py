"""The secret scan finds what was seeded, and lets pass what a person has looked at."""

from pathlib import Path

import pytest
from detect_secrets.core import baseline

from tests.ops.secret_scan import scan, unknown

# In two pieces each, so that the scan of this file does not find them.
AWS = "AKIA" + "IOSFODNN7REALKEY"
SEEDED = [
    f'aws_access_key_id = "{AWS}"',
    "-----BEGIN RSA " + "PRIVATE KEY-----",
    "pass" + 'word = "correct-horse-battery-staple"',
    "postgres://admin:" + "s3cr3tvalue@db.internal/app",
]


@pytest.mark.parametrize("line", SEEDED)
def test_a_seeded_secret_is_found_and_not_printed(tmp_path: Path, line: str) -> None:
    (tmp_path / "settings.py").write_text(f"# first\n{line}\n")
    (found,) = unknown(scan([tmp_path / "settings.py"], tmp_path))
    assert found.startswith("settings.py:2: ")
    assert line not in found


def test_an_accepted_finding_passes_even_where_its_line_has_moved(tmp_path: Path) -> None:
    file = tmp_path / "settings.py"
    file.write_text(SEEDED[0])
    baseline.save_to_file(scan([file], tmp_path), str(tmp_path / "accepted"))
    file.write_text(f"\n\n{SEEDED[0]}")
    assert unknown(scan([file], tmp_path), tmp_path / "accepted") == []
