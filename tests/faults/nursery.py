"""Keeps worker processes alive without a broker: each is forked from a parent that has loaded everything.

    python -m tests.faults.start nursery <number of workers>

A worker asks the rows what is due all the time, in place of waiting for a message, and works it as Celery's task does.
"""

from __future__ import annotations

import os
import socket
import sys
import time
import traceback

from django.db import Error, close_old_connections

from accounts.request_context import Actor, acting_as
from config.connections import keep_open
from config.lifeline import die_with_parent
from integrations.services.working import work_due

IDLE_SECONDS = 0.02


def main(arguments: list[str]) -> None:
    """Fork workers, and fork again for each that ends, until this process is ended."""
    die_with_parent(os.getppid())
    keep_open()
    alive: set[int] = set()
    me = os.getpid()
    while True:
        while len(alive) < int(arguments[0]):
            alive.add(_fork(me))
        pid, _ = os.wait()
        alive.discard(pid)


def _fork(parent: int) -> int:
    pid = os.fork()
    if pid:
        return pid
    try:
        die_with_parent(parent)
        _work()
    finally:
        traceback.print_exc()
        sys.stderr.flush()
        os._exit(1)


def _work() -> None:
    name = f"{socket.gethostname()}:{os.getpid()}"
    with acting_as(Actor(system="worker")):
        while True:
            close_old_connections()
            try:
                worked = work_due(worker=name, draining=lambda: False)
            except Error:
                # The database was cut; a Celery worker logs it and takes the next message.
                traceback.print_exc()
                worked = 0
            if not worked:
                time.sleep(IDLE_SECONDS)
