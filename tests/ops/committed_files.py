"""Finds lines in committed files that name a package registry or a path of somebody's machine."""

import re
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]

# Written in pieces, so that this file does not find itself.
_REGISTRIES = ("pypi" + r"\.org", "python" + r"hosted\.org", "npmjs" + r"\.(?:org|com)", "yarnpkg" + r"\.com")
_FOLDERS = ("home", "Users", "root", "work")
FORBIDDEN = re.compile(rf"\b(?:{'|'.join(_REGISTRIES)})\b|(?<![\w.$}}])/(?:{'|'.join(_FOLDERS)})/[\w.-]+")


def committed() -> list[Path]:
    """The files that git knows, as paths below the project."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=PROJECT, check=True, capture_output=True).stdout
    return [PROJECT / name for name in listed.decode().split("\0") if name]


def findings(paths: Iterable[Path]) -> Iterator[str]:
    """One line for each forbidden name: where it stands and what it is."""
    for path in paths:
        if not path.is_file():
            continue
        content = path.read_bytes()
        if b"\0" in content[:8192]:
            continue
        for number, line in enumerate(content.decode("utf-8", "replace").splitlines(), start=1):
            found = FORBIDDEN.search(line)
            if found:
                yield f"{path}:{number}: {found[0]}"


def main() -> int:
    """Print every finding; the number of them decides the exit code."""
    found = list(findings(committed()))
    sys.stdout.write("".join(f"{line} (a registry host or a machine's own path; remove it)\n" for line in found))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
