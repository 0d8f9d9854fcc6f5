"""A seeded defect: a small change of the product's text that named tests must find."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


class PatchError(Exception):
    """A seed's old text does not occur exactly once: the code has moved, and the seed must follow it."""


@dataclass(frozen=True)
class Seed:
    """What to replace in which file, and the tests (pytest's names) that should fail then."""

    name: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]

    def check(self, tree: Path) -> None:
        """Raise PatchError where the seed does not apply to this tree."""
        found = (tree / self.file).read_text().count(self.old)
        if found != 1:
            raise PatchError(f"{self.name}: the old text occurs {found} times in {self.file}")

    def apply(self, tree: Path) -> None:
        self.check(tree)
        path = tree / self.file
        path.write_text(path.read_text().replace(self.old, self.new))
