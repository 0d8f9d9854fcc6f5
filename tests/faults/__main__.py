"""The fault proof: starts its own servers, runs campaigns of kills on each broker, and prints one line of JSON.

    python -m tests.faults --kills 300

ends with 1 when a record is lost, doubled or stale, a run is stuck, an owner was wrong, or too few kills happened.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from tests.faults.proof import BROKERS, KINDS, PRODUCTION, TIMINGS, Wanted, failures, open_folder, prove


def main() -> int:
    """Run the proof that the arguments ask for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=300)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--brokers", default=",".join(BROKERS))
    parser.add_argument("--kinds", default=",".join(KINDS))
    parser.add_argument("--actions", default="kill=0.9,stop=0.05,cut=0.05", help="weights of what happens")
    parser.add_argument("--production", action="store_true", help="the timings that the product is delivered with")
    parser.add_argument("--apart", type=float, default=0, help="the least seconds between two kills")
    parser.add_argument("--seconds", type=float, default=300, help="a campaign's longest time")
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--width", type=int, default=1, help="runs of each kind at a time")
    parser.add_argument("--folder", type=Path, help="keep logs and data in this new folder")
    given = parser.parse_args()
    weights = {name: float(weight) for name, _, weight in (part.partition("=") for part in given.actions.split(","))}
    wanted = Wanted(
        given.kills, given.seed, tuple(given.brokers.split(",")), tuple(given.kinds.split(",")), weights,
        seconds=given.seconds, timings=PRODUCTION if given.production else TIMINGS, apart_seconds=given.apart,
        workers=given.workers, width=given.width,
    )  # fmt: skip
    with open_folder() as made:
        if given.folder:
            given.folder.mkdir(parents=True)
        result = prove(given.folder or made, wanted)
    reasons = failures(result, wanted)
    sys.stderr.writelines(f"{reason}\n" for reason in reasons)
    sys.stdout.write(json.dumps(result) + "\n")
    return 1 if reasons else 0


if __name__ == "__main__":
    sys.exit(main())
