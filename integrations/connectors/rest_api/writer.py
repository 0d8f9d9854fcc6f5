"""Sends batches to a stream of a REST API: requests that were composed and stored before, under keys of their own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import msgspec
import pyarrow as pa

from integrations.connectors.base import Commit, Content, Refused, RemoteWriter, WriteRequest
from integrations.connectors.http import Answer, Call, HttpClient
from integrations.connectors.rest_api.compose import Parcel, Part, compose, part_key, split
from integrations.connectors.rest_api.results import SUPERSEDED, reason_of, refused_of
from integrations.connectors.rest_api.write_config import WriteConfig
from integrations.domain.guarantee import Guarantee
from integrations.errors import SERVER_FAILED, STREAM_MISSING, NeedsPerson, RetryLater

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
        self, parcel: Parcel, part: Part, records: Sequence[bytes], rows: Sequence[int], key: str
    ) -> tuple[Refused, ...]:
        """What is refused of these records; a refused request of several is sent again in halves."""
        answer = self._client.send(self._call(parcel, part, records, key))
        if answer.status not in CONTENT_REFUSED:
            return refused_of(answer, rows, self._write, self._request.stream)
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
