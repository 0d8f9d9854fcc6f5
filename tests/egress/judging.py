"""Judges what hostile answers did to the process that took them: a declared end, in time, and little memory."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tests.egress.answers import ANSWERS
from tests.egress.serving import hostile_answers, path_of

MEGABYTES = 64
SECONDS = 15


@dataclass(frozen=True)
class Judged:
    """Every answer that was taken, and those that ended otherwise than they should."""

    taken: list[dict[str, Any]]
    wrong: list[dict[str, Any]]


def judge(names: Sequence[str]) -> Judged:
    """Let a child process take the answers of these names."""
    known = {path_of(name): name for name in names}
    with hostile_answers() as server:
        command = [sys.executable, "-m", "tests.egress.taking", server, *known]
        done = subprocess.run(command, stdout=subprocess.PIPE, check=True, timeout=600, text=True)
    taken = [json.loads(line) for line in done.stdout.splitlines()]
    assert [one["name"] for one in taken] == list(known)
    return Judged(taken, [one for one in taken if not _is_right(one, known[one["name"]])])


def _is_right(one: dict[str, Any], name: str) -> bool:
    ended = set(one["codes"]) <= ANSWERS[name].codes
    return ended and one["megabytes"] <= MEGABYTES and one["seconds"] <= SECONDS
