"""Sends a stored batch to a remote destination, part by part, and commits it with what was refused."""

from __future__ import annotations

from accounts.errors import SignalboxError
from integrations.connectors.base import Refused, Writer
from integrations.errors import (
    ADDRESS_BLOCKED,
    ADDRESS_INVALID,
    CREDENTIAL_REFUSED,
    HOST_NOT_FOUND,
    REDIRECT_REFUSED,
    REQUEST_REFUSED,
    STREAM_MISSING,
    TLS_FAILED,
    NeedsPerson,
    NotYet,
    RetryLater,
)
from integrations.faultpoints import reach
from integrations.pipeline.ports import Aside, Parcel, RunLog

# With these the destination has said that it did nothing, or was never reached.
_NOT_ACTED_ON = frozenset({
    ADDRESS_BLOCKED,
    ADDRESS_INVALID,
    CREDENTIAL_REFUSED,
    HOST_NOT_FOUND,
    REDIRECT_REFUSED,
    REQUEST_REFUSED,
    STREAM_MISSING,
    TLS_FAILED,
})  # fmt: skip


def deliver(parcel: Parcel, writer: Writer, log: RunLog) -> None:
    """Send the parts whose answers are not stored yet, then commit the batch. What was prepared is sent as it is.

    Where an error ends it, the answers that came are stored, and whether the part in hand may have arrived.
    """
    refused, done = list(parcel.refused), parcel.done
    answers = writer.deliver(parcel.content.data, done)
    try:
        for part in range(done, len(parcel.content.sizes)):
            log.sending(parcel.number, part, refused)
            reach("before_send")
            refused += next(answers)
            done = part + 1
    except (RetryLater, NeedsPerson) as error:
        log.interrupted(parcel.number, done, refused, may_have_arrived=_may_have_arrived(error))
        raise
    reach("after_write")
    log.commit(parcel.number, tuple(_aside(parcel, each) for each in refused))


def _may_have_arrived(error: SignalboxError) -> bool:
    if isinstance(error, NotYet):
        return False
    if isinstance(error, RetryLater):
        return error.may_have_arrived
    return error.code not in _NOT_ACTED_ON


def _aside(parcel: Parcel, refused: Refused) -> Aside:
    payload = parcel.records.slice(refused.row, 1).to_pylist()[0]
    origin = parcel.origins[refused.row] if parcel.origins else ""
    return Aside(payload, refused.code, "", refused.reason, origin=origin)
