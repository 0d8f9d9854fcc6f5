"""Celery's way in: a message says that a run may be due, and what is due is worked."""

from __future__ import annotations

import os
import socket

from celery import shared_task

from accounts.request_context import Actor, acting_as
from integrations.draining import is_draining
from integrations.hints import RUN_SLICE
from integrations.services.working import work_due


@shared_task(name=RUN_SLICE, ignore_result=True)
def run_slice(run_id: str) -> None:  # noqa: ARG001 - whose hint it was; whose turn it is, the rows say
    """Work what is due; a message that comes twice finds nothing to claim and ends."""
    with acting_as(Actor(system="worker")):
        work_due(worker=f"{socket.gethostname()}:{os.getpid()}", draining=is_draining)
