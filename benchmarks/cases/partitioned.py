"""Moves a stream by a run that is cut into partitions, with worker processes of its own, and prints its figures.

The control plane is a database of PostgreSQL, as in the scaled set-up, and the workers take whatever is due from it.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time

from django.core.management import call_command

from benchmarks.cases.ours import arguments, set_up

ENDED_AFTER_SECONDS = 600
LOOKS_EVERY_SECONDS = 0.05


def main() -> None:
    """Start the workers, start a run, wait for its end, print one line of JSON."""
    parser = arguments()
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--partitions", type=int, default=2)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        set_up(given, folder)
        # Models can be imported only after the set-up.
        from benchmarks.cases.moving import figures, start

        call_command("migrate", verbosity=0)
        workers = [_worker() for _ in range(given.workers)]
        try:
            run = start(given, {"partitions.most": given.partitions})
            ends_at = time.monotonic() + ENDED_AFTER_SECONDS
            while run.is_active and time.monotonic() < ends_at:
                time.sleep(LOOKS_EVERY_SECONDS)
                run.refresh_from_db()
        finally:
            peaks = [int(worker.communicate("\n")[0].split()[-1]) for worker in workers]
        print(json.dumps({**figures(run), "partitions": run.partition_count, "peak_mb": max(peaks)}))


def _worker() -> subprocess.Popen[str]:
    """A worker that is up and waits for work; a line ends it, and it says its peak memory."""
    command = [sys.executable, "-m", "benchmarks.cases.worker"]
    worker = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    if worker.stdout is None or worker.stdout.readline().strip() != "ready":
        raise SystemExit("a worker did not start")
    return worker


if __name__ == "__main__":
    main()
