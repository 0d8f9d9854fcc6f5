"""Finds secrets in committed files, beyond those that a person has looked at (`.secrets.baseline`).

`python -m tests.ops.secret_scan` checks; with `--accept` it writes what it found as looked at. The library's own
pre-commit hook fails whenever a known line has moved, which is why it is not used.
"""

import contextlib
import json
import sys
from collections.abc import Iterable
from pathlib import Path

from detect_secrets.core import baseline
from detect_secrets.core.secrets_collection import SecretsCollection
from detect_secrets.settings import default_settings

from tests.ops.committed_files import PROJECT, committed

BASELINE = PROJECT / ".secrets.baseline"
# Hashes of public packages, and of what was looked at.
PASSED_OVER = ("deploy/requirements/", "static/package-lock.json", BASELINE.name)


def scan(paths: Iterable[Path], root: Path = PROJECT) -> SecretsCollection:
    """What looks like a secret in these files."""
    found = SecretsCollection()
    # The library keeps each path as it was given; a baseline must not name this machine's folders.
    with contextlib.chdir(root), default_settings() as settings:
        # Asking a service whether a secret is valid would send it there.
        settings.disable_filters("detect_secrets.filters.common.is_ignored_due_to_verification_policies")
        for path in paths:
            name = path.relative_to(root).as_posix()
            if path.is_file() and not name.startswith(PASSED_OVER):
                found.scan_file(name)
    return found


def unknown(found: SecretsCollection, accepted: Path = BASELINE) -> list[str]:
    """One line for each finding that is not in the baseline: file, line and kind, never the secret."""
    known = SecretsCollection.load_from_baseline(json.loads(accepted.read_text()))
    return sorted(f"{name}:{secret.line_number}: {secret.type}" for name, secret in found - known)


def main(arguments: list[str]) -> int:
    """Check, or accept; 1 where something unknown was found."""
    found = scan(committed())
    if arguments == ["--accept"]:
        with default_settings():
            baseline.save_to_file(found, str(BASELINE))
        return 0
    lines = unknown(found)
    advice = "remove it, or look at it and run `make accept-secrets`"
    sys.stdout.write("".join(f"{line} ({advice})\n" for line in lines))
    return 1 if lines else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
