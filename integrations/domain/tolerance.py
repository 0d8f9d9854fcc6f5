"""When too many of a run's records were set aside: the rule that the worker keeps and that simulations try."""

from __future__ import annotations

# A share is judged only over so many records, so that one bad record in ten does not stop a run.
FROM_RECORDS = 100


def share_of(read: int, set_aside: int) -> float:
    """The share that was set aside, in percent."""
    return 100 * set_aside / read if read else 0.0


def is_too_much(read: int, set_aside: int, allowed_percent: float) -> bool:
    """Whether a run with these counts fails; a small run fails only where nothing of it was good."""
    if read < FROM_RECORDS and set_aside < read:
        return False
    return share_of(read, set_aside) > allowed_percent
