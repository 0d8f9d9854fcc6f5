"""A worker with tasks that tell where they ran: `python -m tests.ops.celery_tasks`, for the tests of the worker."""

import json
import os
import signal
import time
from pathlib import Path
from typing import Any

import django
import structlog
from celery.signals import worker_ready

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
django.setup()

from django.core.management import call_command  # noqa: E402 - after django.setup
from django.db import connection  # noqa: E402 - after django.setup

from config.celery import app  # noqa: E402 - after django.setup


def _write(path: str, found: dict[str, object]) -> None:
    temporary = Path(f"{path}.part")
    temporary.write_text(json.dumps(found))
    temporary.rename(path)


@app.task(name="tests.note")
def note(path: str) -> None:
    """Write down the process, the trace and the database connection."""
    connection.ensure_connection()
    trace = structlog.contextvars.get_contextvars().get("trace_id")
    _write(path, {"pid": os.getpid(), "parent": os.getppid(), "trace": trace, "connection": id(connection.connection)})


@app.task(name="tests.work")
def work(path: str, seconds: float) -> None:
    """Be busy, then write down that the work was finished."""
    _write(f"{path}.started", {"pid": os.getpid()})
    time.sleep(seconds)
    _write(path, {"pid": os.getpid()})


@app.task(name="tests.crash")
def crash(path: str) -> None:
    """Kill the pool's child as a segmentation fault would."""
    _write(path, {"pid": os.getpid()})
    os.kill(os.getpid(), signal.SIGKILL)


@worker_ready.connect
def deafen(sender: Any, **_: object) -> None:
    """Where a test asks for it, consume nothing from now on, as after a broken connection that nobody noticed."""
    if os.environ.get("TESTS_DEAF"):
        sender.task_consumer.cancel()


if __name__ == "__main__":
    call_command("worker", concurrency=1)
