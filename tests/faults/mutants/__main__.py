"""Seeds each defect in a private copy of the code and runs the tests that should find it: `make mutants`.

First the same tests must pass without a defect. One JSON line at the end says how many were found and which were not.
A part of a name, given as argument, chooses seeds.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import Queue

from tests.faults.mutants.catalogue import SEEDS
from tests.faults.mutants.seed import PatchError, Seed

ROOT = Path(__file__).parents[3]
AT_ONCE = 2
LONGEST_SECONDS = 300
LONGEST_SECONDS_OF_ALL = 900
PASSED, FAILED = 0, 1


def copy_tree(target: Path) -> Path:
    """Copy what git knows of or would add, as it lies in the working tree."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, check=True, capture_output=True,
    )  # fmt: skip
    for name in filter(None, listed.stdout.decode().split("\0")):
        if (ROOT / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, target / name)
    return target


def run_tests(tree: Path, tests: Sequence[str], longest_seconds: int = LONGEST_SECONDS) -> tuple[int, str]:
    """Run tests in a tree; a run that does not end is a failed one. The tables are made from the models."""
    options = ["-q", "-x", "--no-migrations", "-p", "no:cacheprovider"]
    try:
        done = subprocess.run(
            [sys.executable, "-m", "pytest", *options, *tests],
            cwd=tree, capture_output=True, text=True, timeout=longest_seconds, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return FAILED, f"FAILED to end within {longest_seconds} s"
    return done.returncode, done.stdout[-3_000:] + done.stderr[-1_000:]


def try_seed(seed: Seed, trees: Queue[Path]) -> bool:
    """Say whether a test fails for the defect. Raises PatchError where the tests cannot even run."""
    tree = trees.get()
    original = (tree / seed.file).read_bytes()
    began = time.monotonic()
    try:
        seed.apply(tree)
        code, output = run_tests(tree, seed.tests)
    finally:
        (tree / seed.file).write_bytes(original)
        trees.put(tree)
    failed = [line for line in output.splitlines() if line.startswith("FAILED")]
    if code != PASSED and not failed:
        raise PatchError(f"{seed.name}: its tests cannot run (pytest ended with {code}):\n{output}")
    verdict = "found" if failed else "SURVIVED"
    by = "".join(f": {line[:100]}" for line in failed)
    print(f"{verdict:9}{seed.name} ({time.monotonic() - began:.0f} s){by}", flush=True)  # noqa: T201 - its progress
    return bool(failed)


def run(seeds: Sequence[Seed]) -> int:
    """Try all seeds; return the exit status."""
    with tempfile.TemporaryDirectory(prefix="signalbox-mutants-") as folder:
        trees: Queue[Path] = Queue()
        for number in range(AT_ONCE):
            trees.put(copy_tree(Path(folder, str(number))))
        whole = trees.get()
        for seed in seeds:
            seed.check(whole)
        code, output = run_tests(whole, sorted({test for seed in seeds for test in seed.tests}), LONGEST_SECONDS_OF_ALL)
        if code != PASSED:
            print(output)  # noqa: T201
            raise PatchError("the tests do not pass without a defect")
        trees.put(whole)
        with ThreadPoolExecutor(AT_ONCE) as pool:
            found = list(pool.map(lambda seed: try_seed(seed, trees), seeds))
    survived = [seed.name for seed, was_found in zip(seeds, found, strict=True) if not was_found]
    print(json.dumps({"mutants": len(seeds), "found": sum(found), "survived": survived}))  # noqa: T201
    return 1 if survived else 0


def chosen(part_of_name: str) -> list[Seed]:
    """Return the seeds whose name has this part, or all."""
    seeds = [seed for seed in SEEDS if part_of_name in seed.name]
    if not seeds:
        raise SystemExit(f"No seed's name has “{part_of_name}” in it.")
    return seeds


if __name__ == "__main__":
    sys.exit(run(chosen(" ".join(sys.argv[1:]))))
