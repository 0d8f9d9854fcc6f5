"""What an answer says of each record that was sent; results that cannot be true are an error, never a guess."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from integrations.connectors.base import Refused
from integrations.connectors.http import Answer
from integrations.connectors.rest_api.answer import value_at
from integrations.connectors.rest_api.write_config import WriteConfig
from integrations.domain.guarantee import Guarantee
from integrations.domain.words import counted
from integrations.errors import RECORD_FAILED, RECORD_PUT_OFF, RECORD_REFUSED, RESULTS_UNTRUSTED, RetryLater

MULTI_STATUS = 207
TOO_MANY = 429
# To a record with a version these say that the destination holds a newer one, which is what was promised.
SUPERSEDED = frozenset({409, 412})
REASON_CHARACTERS = 300
_WORDS_OF_REASONS = ("error", "message", "reason", "detail", "title")


@dataclass(frozen=True)
class Verdicts:
    """What became of the records of a request that were not accepted. `again` may be sent again, and do no harm."""

    refused: tuple[Refused, ...] = ()
    again: tuple[Refused, ...] = ()


def verdicts_of(answer: Answer, rows: Sequence[int], write: WriteConfig, where: str) -> Verdicts:
    """The records of a request that were refused or put off; `rows` are their places in the batch.

    Raises RetryLater(RESULTS_UNTRUSTED) where the results do not fit what was sent: what happened is then unknown.
    """
    if not write.results_path and not write.accepted_path and answer.status != MULTI_STATUS:
        return Verdicts()
    document = _document(answer, where)
    found = Verdicts()
    if write.results_path or answer.status == MULTI_STATUS:
        results = _in_order(_results(document, write, where), len(rows), write, where)
        found = _judged(dict(zip(rows, results, strict=True)), write)
    _check_count(document, len(rows) - len(found.refused) - len(found.again), write, where)
    return found


def _judged(results: Mapping[int, Any], write: WriteConfig) -> Verdicts:
    failed = {row: result for row, result in results.items() if not _is_accepted(result, write)}
    refused = (row for row in failed if not _may_go_again(failed[row], write))
    again = (row for row in failed if _may_go_again(failed[row], write))
    return Verdicts(
        tuple(_aside(row, failed[row], write) for row in refused),
        tuple(_aside(row, failed[row], write) for row in again),
    )


def _may_go_again(result: Any, write: WriteConfig) -> bool:
    """Whether a second send of this record cannot store it twice.

    With 429 it was surely not acted on. After another failure it may be there; then only its version keeps it single:
    under an idempotency key it would have to go out under another one, since the first has its answer for good.
    """
    status = _status(result, write)
    if status == TOO_MANY:
        return True
    return write.promised is Guarantee.UPSERT_VERSIONED and _is_failure(status)


def _is_failure(status: object) -> bool:
    """Whether the destination failed at the record, and did not judge it."""
    return isinstance(status, int) and not isinstance(status, bool) and (status in {408, 425} or status >= 500)


def _status(result: Any, write: WriteConfig) -> Any:
    """The status of a result, a number as a number."""
    status = value_at(result, write.result_status)
    is_number = isinstance(status, str) and status.isascii() and status.isdecimal()
    return int(status) if is_number else status


def reason_of(answer: Answer) -> str:
    """Why a whole request was refused, in the destination's words."""
    try:
        document = msgspec.json.decode(answer.body)
    except (msgspec.DecodeError, RecursionError):
        document = None
    said = _words(document)
    return f"The destination answered {answer.status}: {said}" if said else f"The destination answered {answer.status}."


def _document(answer: Answer, where: str) -> Any:
    try:
        return msgspec.json.decode(answer.body)
    except (msgspec.DecodeError, RecursionError):
        raise _untrusted(where, "they are not JSON") from None


def _results(document: Any, write: WriteConfig, where: str) -> list[Any]:
    found = value_at(document, write.results_path) if write.results_path else document
    if not isinstance(found, list):
        raise _untrusted(where, f"there is no list at {write.results_path or 'the top'!r}")
    return found


def _in_order(results: list[Any], sent: int, write: WriteConfig, where: str) -> list[Any]:
    """The results in the order of the records, one for each."""
    if len(results) != sent:
        raise _untrusted(where, f"{len(results):,} came for {counted(sent, 'record')}")
    if not write.result_index:
        return results
    placed = {_place(result, write): result for result in results}
    if set(placed) != set(range(sent)):
        raise _untrusted(where, f"their {write.result_index} does not name each record once")
    return [placed[place] for place in range(sent)]


def _place(result: Any, write: WriteConfig) -> object:
    place = value_at(result, write.result_index)
    return None if isinstance(place, bool) or not isinstance(place, int) else place


def _is_accepted(result: Any, write: WriteConfig) -> bool:
    status = _status(result, write)
    if isinstance(status, bool):
        return status
    if isinstance(status, int):
        superseded = write.promised is Guarantee.UPSERT_VERSIONED and status in SUPERSEDED
        return 200 <= status < 300 or superseded
    return isinstance(status, str) and status in write.accepted


def _aside(row: int, result: Any, write: WriteConfig) -> Refused:
    """The record and what became of it: refused, put off to the end, or met by a failure that may have stored it."""
    status = _status(result, write)
    said = _words(value_at(result, write.result_reason)) or _words(result)
    code, what = RECORD_REFUSED, "refused the record"
    if status == TOO_MANY:
        code, what = RECORD_PUT_OFF, "was too busy for the record"
    elif _is_failure(status):
        code, what = RECORD_FAILED, "failed at the record, and may have stored it"
    return Refused(row, f"The destination {what} ({_short(status)}){': ' + said if said else '.'}", code)


def _words(found: Any) -> str:
    if isinstance(found, dict):
        found = next((found[name] for name in _WORDS_OF_REASONS if found.get(name)), None)
    return "" if found is None or found == "" else _short(found)


def _short(found: Any) -> str:
    text = found if isinstance(found, str) else msgspec.json.encode(found).decode()
    shown = "".join(char if char.isprintable() else " " for char in text)
    return shown[:REASON_CHARACTERS]


def _check_count(document: Any, accepted: int, write: WriteConfig, where: str) -> None:
    if not write.accepted_path:
        return
    said = value_at(document, write.accepted_path)
    if said != accepted or isinstance(said, bool):
        raise _untrusted(where, f"it counts {_short(said)} accepted records, and {accepted:,} were")


def _untrusted(where: str, reason: str) -> RetryLater:
    return RetryLater(RESULTS_UNTRUSTED, f"The results for {where} do not fit what was sent: {reason}.")
