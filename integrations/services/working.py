"""What a worker does with a hint: it works the runs whose turn it is until nothing is due, or its time is over."""

from __future__ import annotations

import time
from collections.abc import Callable

from django.conf import settings

from integrations.services.execution import work_slice
from integrations.services.picking import claim_next, hint_what_is_left

# A slice that begins at the end of this share still ends well before the worker's time limit.
_SHARE_OF_A_SLICE = 1 / 3


def work_due(*, worker: str, draining: Callable[[], bool]) -> int:
    """Work slices of due runs, the fairest first; return how many. What is left is hinted to whoever comes next."""
    ends_at = time.monotonic() + settings.SLICE_SECONDS * _SHARE_OF_A_SLICE
    worked = 0
    while not draining() and time.monotonic() < ends_at:
        claim = claim_next(worker=worker)
        if claim is None:
            return worked
        try:
            work_slice(claim, draining)
        except Exception:
            # A defect ended that run, and this task; what is due besides must not wait for the reconciler.
            hint_what_is_left()
            raise
        worked += 1
    hint_what_is_left()
    return worked
