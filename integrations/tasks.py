"""Celery's way in: a message carries a run's id, and one slice is worked."""

from __future__ import annotations

import os
import socket
from uuid import UUID

from celery import shared_task

from accounts.request_context import Actor, acting_as
from integrations.hints import RUN_SLICE
from integrations.services.execution import execute_slice


@shared_task(name=RUN_SLICE, ignore_result=True)
def run_slice(run_id: str) -> None:
    """Claim the run and work one slice; a second delivery finds nothing to claim and ends."""
    with acting_as(Actor(system="worker")):
        execute_slice(run_id=UUID(run_id), worker=f"{socket.gethostname()}:{os.getpid()}")
