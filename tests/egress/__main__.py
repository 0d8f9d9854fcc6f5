"""The egress proof: every form of an address, through every door, in every way; and every hostile answer.

    python -m tests.egress

ends with 1 when something inside accepted a connection, an answer ended otherwise than it should, an attempt was none,
or the guard, opened on purpose, let nothing through that the proof could see. The last line is one line of JSON.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from tests.egress.answers import ANSWERS
from tests.egress.judging import judge
from tests.egress.proof.network import run_inside, why_not

PROCESSES = 2
WEAK_EVERY = 25
# To save sends nothing, whatever the guard does; every other door must be seen open.
SENDING = frozenset({"page test", "page check", "API check", "page discover", "API discover", "API preview", "run"})


def proven(*arguments: str) -> dict[str, Any]:
    """The line of JSON that the proof ends with."""
    found: dict[str, Any] = json.loads(run_inside(*arguments)[-1])
    return found


def strong_and_weak() -> dict[str, Any]:
    """Every attempt with the guard as it is, shared out to the processes, and then fewer with the guard opened."""
    shares: list[tuple[str, ...]] = [("--every", str(PROCESSES), "--first", str(number)) for number in range(PROCESSES)]
    shares[0] += ("--weak-every", str(WEAK_EVERY))
    with ThreadPoolExecutor(PROCESSES) as pool:
        parts = list(pool.map(lambda share: proven(*share), shares))
    codes = sum((Counter(part["refused_by_code"]) for part in parts), Counter[str]())
    weak = parts[0]["weak"]
    return {
        "forms": sum(part["forms"] for part in parts),
        "entry_points": len(set().union(*(part["entry_points"] for part in parts))),
        "attempts": sum(part["attempts"] for part in parts),
        "accepted": sum(part["accepted"] for part in parts),
        "refused_by_code": dict(codes.most_common()),
        "wrong": [one for part in parts for one in part["wrong"]],
        "seconds": max(part["seconds"] for part in parts),
        "accepted_with_the_guard_open": {way: found["accepted"] for way, found in weak.items()},
        "blind": [f"{way}: {entry}" for way, found in weak.items() for entry in unseen(way, found["found"], SENDING)],
    }


def unseen(way: str, found: dict[str, int], doors: Collection[str]) -> list[str]:
    """The entry points that an opened guard should have let through, and did not."""
    plugins = ("rest_api",) if way == "redirect" else ("rest_api", "postgres")
    entries = [f"{plugin} {door}" for plugin in plugins for door in doors]
    return [entry for entry in entries if not found.get(f"{way} {entry}")]


def main() -> int:
    """Prove it, and prove that the proof can fail."""
    if reason := why_not():
        sys.stderr.write(f"The egress proof cannot run: {reason}.\n")
        return 1
    result = strong_and_weak()
    answers = judge(list(ANSWERS))
    result |= {
        "hostile_answers": len(answers.taken),
        "hostile_wrong": answers.wrong,
        "most_megabytes": max(one["megabytes"] for one in answers.taken),
    }
    sys.stdout.write(json.dumps(result) + "\n")
    return 1 if result["accepted"] or result["wrong"] or result["blind"] or answers.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
