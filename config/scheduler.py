"""The scheduler's loops: a few jobs, each at its own interval, that go on after an error."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import structlog
from django.db import close_old_connections

from config.trace import new_trace_id

_PATIENCE_SECONDS = 5.0

logger = structlog.get_logger("signalbox.scheduler")


@dataclass
class Job:
    """What is called every so many seconds."""

    name: str
    every_seconds: float
    action: Callable[[], object]
    due_at: float = field(default=0.0, init=False)


def run_loop(jobs: Sequence[Job], stop: threading.Event) -> None:
    """Call each job when it is due, until `stop` is set; a late job is called once, however often it was missed."""
    while not stop.is_set():
        for job in jobs:
            if job.due_at <= time.monotonic():
                _call(job)
                job.due_at = time.monotonic() + job.every_seconds
        stop.wait(max(0.0, min(job.due_at for job in jobs) - time.monotonic()))


@contextmanager
def beside(jobs: Sequence[Job], stop: threading.Event) -> Iterator[None]:
    """Call these jobs from a thread of their own while the block lasts, so that a slow one keeps no other waiting."""
    thread = threading.Thread(target=run_loop, args=(jobs, stop), name="housekeeping", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        # What is cut off in the middle of a job is rolled back, and done by the next one.
        thread.join(timeout=_PATIENCE_SECONDS)


def _call(job: Job) -> None:
    close_old_connections()
    with structlog.contextvars.bound_contextvars(trace_id=new_trace_id()):
        try:
            job.action()
        except Exception:  # the loop outlives every failure of one job; the log has the traceback
            logger.exception("scheduler job failed; it will be tried again", job=job.name)
    close_old_connections()
