"""Tells the workers that there is work. A hint may be lost: the reconciler hints again."""

from __future__ import annotations

from uuid import UUID

import structlog
from celery import current_app
from kombu.exceptions import OperationalError

log = structlog.get_logger(__name__)
RUN_SLICE = "integrations.run_slice"


def hint(run_id: UUID) -> bool:
    """Send the message, with the run that became due; say whether the broker took it."""
    try:
        current_app.send_task(RUN_SLICE, args=[str(run_id)], ignore_result=True, retry=False)
    except (OperationalError, OSError) as error:
        log.warning("hint_not_sent", run=str(run_id), reason=str(error), what_happens="the reconciler hints again")
        return False
    return True
