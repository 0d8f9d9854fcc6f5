"""A worker of a benchmark: it works what is due, as Celery's task does, until a line comes; then it says its memory."""

from __future__ import annotations

import os
import resource
import select
import sys

import django

LOOKS_EVERY_SECONDS = 0.01


def main() -> None:
    """Say when it is ready, work, and print the peak memory in megabytes at the end."""
    django.setup()
    # Services can be imported only after the set-up.
    from accounts.request_context import Actor, acting_as
    from integrations.services.working import work_due

    print("ready", flush=True)
    with acting_as(Actor(system="benchmark")):
        while not select.select([sys.stdin], [], [], LOOKS_EVERY_SECONDS)[0]:
            work_due(worker=f"benchmark:{os.getpid()}", draining=lambda: False)
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)


if __name__ == "__main__":
    main()
