"""Sends batches to a stream of a REST API: requests that were composed and stored before, under keys of their own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import msgspec
import pyarrow as pa

from integrations.connectors.base import Commit, Content, Refused, RemoteWriter, WriteRequest
from integrations.connectors.http import Answer, Call, HttpClient
from integrations.connectors.rest_api.compose import Parcel, Part, compose, part_key, split
from integrations.connectors.rest_api.results import SUPERSEDED, reason_of, verdicts_of
from integrations.connectors.rest_api.write_config import WriteConfig
from integrations.domain.guarantee import Guarantee
from integrations.domain.retry import parse_retry_after
from integrations.errors import SERVER_FAILED, STREAM_MISSING, NeedsPerson, NotYet, RetryLater

# The destination has judged the content and stored nothing: of one record that is a refusal, of several it is halved.
CONTENT_REFUSED = frozenset({400, 409, 412, 413, 422})
REQUESTS_A_BATCH = 50
MOST_RECORDS = 5_000
_PARCEL = msgspec.msgpack.Decoder(Parcel)


@dataclass(frozen=True)
class Target:
    """Where the requests go, and what the sign-in adds to each of them; the latter is never stored."""

    base_url: str
    path: str
    headers: dict[str, str]
    params: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class _Tried:
    """How often records of a request were sent, and how long they waited between."""

    attempts: int = 1
    waited_seconds: float = 0.0


class RestWriter(RemoteWriter):
    """An open stream of a REST API. It remembers nothing; what it sends again is the same, byte for byte."""

    def __init__(self, client: HttpClient, target: Target, request: WriteRequest, write: WriteConfig) -> None:
        self.guarantee = write.promised
        self.batch_records: int | None = min(MOST_RECORDS, REQUESTS_A_BATCH * write.records_per_request)
        self._client, self._target, self._request, self._write = client, target, request, write

    def compose(self, records: pa.RecordBatch, commit: Commit) -> Content:
        """The requests of a batch."""
        return compose(records, commit, self._request, self._write, self._target.path)

    def deliver(self, data: bytes, first: int = 0) -> Iterator[tuple[Refused, ...]]:
        """Send the requests from `first` on, one after the other, and yield what each of them has refused."""
        parcel = _PARCEL.decode(data)
        for number, part in enumerate(parcel.parts[first:], start=first):
            unsendable = tuple(Refused(row, reason) for row, reason in part.unsendable.items())
            sent = self._send(parcel, part, part.records, part.rows, part_key(parcel, number)) if part.records else ()
            yield (*unsendable, *sent)

    def _send(
        self,
        parcel: Parcel,
        part: Part,
        records: Sequence[bytes],
        rows: Sequence[int],
        key: str,
        tried: _Tried = _Tried(),
    ) -> tuple[Refused, ...]:
        """What is refused of these records; a refused request of several is sent again in halves."""
        answer = self._client.send(self._call(parcel, part, records, key))
        if answer.status not in CONTENT_REFUSED:
            return self._settled(parcel, part, answer, dict(zip(rows, records, strict=True)), key, tried)
        self._require_settled(answer)
        if self.guarantee is Guarantee.UPSERT_VERSIONED and len(records) == 1 and answer.status in SUPERSEDED:
            return ()
        if len(records) == 1:
            return (Refused(rows[0], reason_of(answer)),)
        first, second = split(records, rows, key)
        refused = self._send(parcel, part, *first)
        try:
            return refused + self._send(parcel, part, *second)
        except (RetryLater, NeedsPerson) as error:
            raise self._after_a_half(error) from error

    def _settled(
        self, parcel: Parcel, part: Part, answer: Answer, records: Mapping[int, bytes], key: str, tried: _Tried
    ) -> tuple[Refused, ...]:
        """What is refused of these records, by row, for good; those that were put off are sent again.

        Each time under a key that follows from the last, so that whoever repeats all of it gets the same answers.
        """
        found = verdicts_of(answer, list(records), self._write, self._request.stream)
        if not found.again:
            return found.refused
        asked = parse_retry_after(answer.headers.get("retry-after", ""), datetime.now(UTC))
        seconds = self._client.pause(tried.attempts, tried.waited_seconds, asked)
        if seconds is None:
            return found.refused + found.again
        rows = [each.row for each in found.again]
        tried = _Tried(tried.attempts + 1, tried.waited_seconds + seconds)
        try:
            return found.refused + self._send(parcel, part, [records[row] for row in rows], rows, f"{key}.r", tried)
        except (RetryLater, NeedsPerson) as error:
            if self._is_for_good(error):
                return found.refused + found.again
            raise self._after_a_half(error) from error

    def _is_for_good(self, error: RetryLater | NeedsPerson) -> bool:
        """Whether what was put off is better set aside: to repeat the whole would store the others twice."""
        has_not_arrived = isinstance(error, NotYet) or (isinstance(error, RetryLater) and not error.may_have_arrived)
        return self.guarantee is Guarantee.APPEND_ONLY and has_not_arrived

    def _after_a_half(self, error: RetryLater | NeedsPerson) -> RetryLater | NeedsPerson:
        """The first half has arrived, so of the whole it is not true that nothing has; without a key that counts."""
        if self.guarantee is not Guarantee.APPEND_ONLY:
            return error
        asked = error.retry_after_seconds if isinstance(error, RetryLater) else None
        return RetryLater(error.code, error.message, retry_after_seconds=asked, what_to_do=error.what_to_do)

    def _require_settled(self, answer: Answer) -> None:
        """With a key, 409 says that another request with it is still at work."""
        if answer.status == 409 and self.guarantee is Guarantee.IDEMPOTENCY_KEY:
            raise RetryLater(SERVER_FAILED, f"{self._request.stream}: an earlier request is still at work.")

    def _call(self, parcel: Parcel, part: Part, records: Sequence[bytes], key: str) -> Call:
        has_key = self.guarantee is Guarantee.IDEMPOTENCY_KEY
        return Call(
            f"{self._target.base_url}/{part.path.lstrip('/')}" if part.path else self._target.base_url,
            method=parcel.method,
            params=self._target.params,
            headers={
                **self._target.headers,
                **part.headers,
                **({self._write.key_header.lower(): key} if has_key else {}),
                "content-type": "application/json",
            },
            content=parcel.body(records),
            repeatable=self.guarantee is not Guarantee.APPEND_ONLY,
            missing=STREAM_MISSING,
            expected=CONTENT_REFUSED,
        )
