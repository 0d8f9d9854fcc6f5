"""The REST API plugin: checks, discovers, reads and writes the streams that its settings declare."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from functools import partial
from typing import ClassVar

from accounts.errors import SignalboxError
from integrations.connectors.base import (
    Batch,
    CheckResult,
    Context,
    PluginSpec,
    ReadRequest,
    Stream,
    Writer,
    WriteRequest,
)
from integrations.connectors.http import Call, HttpClient
from integrations.connectors.rest_api.answer import Page, take_apart
from integrations.connectors.rest_api.auth import sign_in
from integrations.connectors.rest_api.config import StreamConfig, parse
from integrations.connectors.rest_api.paging import Position, first_position, request_for, total_of, turn
from integrations.connectors.rest_api.range import bounds_of, range_fields_of
from integrations.connectors.rest_api.reader import StreamReader
from integrations.connectors.rest_api.schema import infer
from integrations.connectors.rest_api.spec import SPEC
from integrations.connectors.rest_api.write_config import require_fitting
from integrations.connectors.rest_api.writer import RestWriter, Target
from integrations.domain.words import counted
from integrations.errors import RECORDS_NOT_FOUND, REQUEST_REFUSED, STREAM_MISSING, NeedsPerson

FRESH_CHECKS = 20
# To a question that changes nothing: whatever the answer, somebody who takes requests is there.
ANSWERED = frozenset({400, 404, 405, 406, 409, 410, 415, 422, 501})


class RestApiConnector:
    """A configured REST API; one reading at a time."""

    spec: ClassVar[PluginSpec] = SPEC

    def __init__(self, context: Context) -> None:
        self._config = parse(context)
        self._sign_in = sign_in(context.credential_kind, context.credential)
        self._limits = context.limits
        self._client = HttpClient(context.limits, context.egress_allow, gate=context.gate)
        self._reader: StreamReader | None = None

    def check(self) -> CheckResult:
        """Read the first page of each stream and say what was seen."""
        try:
            seen = [self._seen(stream) for stream in list(self._config.streams.values())[:FRESH_CHECKS]]
        except SignalboxError as error:
            return CheckResult(False, error.message, error.what_to_do, error.code)
        remark = "" if self._config.base_url.lower().startswith("https:") else " The connection is not encrypted."
        return CheckResult(True, f"{'; '.join(seen)}.{remark}")

    def discover(self) -> Sequence[Stream]:
        """The declared streams, each with the schema of its first page (None where that is empty)."""
        return [self._discovered(stream) for stream in self._config.streams.values()]

    def describe(self, stream: str) -> Stream:
        """One declared stream with the schema of its first page."""
        return self._discovered(self._config.stream(stream))

    def read(self, request: ReadRequest) -> Iterator[Batch]:
        """The batches of a stream from the request's cursor on."""
        stream = self._config.stream(request.stream)
        if not stream.read:
            raise NeedsPerson(STREAM_MISSING, f"{stream.name} is only written; it cannot be read.")
        # A range is read whole, by the parameters that the stream declares for it.
        bounds = bounds_of(stream, request.within) if request.within else ()
        self._reader = StreamReader(
            stream,
            self._config.paging[stream.name],
            replace(request, cursor_field="") if request.within else request,
            partial(self._fetch, stream, bounds),
            url=self._config.url(stream),
            hidden=frozenset(name for name, _ in self._sign_in.params),
            max_pages=self._limits.max_pages,
        )
        return self._reader.batches()

    @property
    def found_behind(self) -> bool:
        """Whether the read that has ended found no record any more at its cursor or after it."""
        return self._reader is not None and self._reader.found_behind

    def range_fields(self, stream: str) -> Sequence[str]:
        """Return the cursor field, where the stream declares a parameter to ask by it."""
        return range_fields_of(self._config.stream(stream))

    def open_writer(self, request: WriteRequest) -> AbstractContextManager[Writer]:
        """Open a stream that declares how it is written."""
        stream = self._config.stream(request.stream)
        if stream.write is None:
            raise NeedsPerson(
                REQUEST_REFUSED,
                f"{request.stream} does not say how it is written.",
                what_to_do="Add “write” to the stream in the connector's settings.",
            )
        require_fitting(stream.write, request)
        target = Target(
            self._config.base_url,
            stream.write.path or stream.path,
            {**self._config.headers, **self._sign_in.headers},
            self._sign_in.params,
        )
        return nullcontext(RestWriter(self._client, target, request, stream.write))

    def close(self) -> None:
        self._client.close()

    def _fetch(self, stream: StreamConfig, bounds: Sequence[tuple[str, str]], at: Position, asked_since: str) -> Page:
        params = [*((name, _parameter(value)) for name, value in stream.params.items()), *bounds]
        if asked_since and stream.cursor_param:
            params.append((stream.cursor_param, asked_since))
        url, all_params = request_for(self._config.paging[stream.name], self._config.url(stream), params, at)
        call = Call(
            url,
            params=(*all_params, *self._sign_in.params),
            headers={**self._config.headers, **self._sign_in.headers},
            missing=STREAM_MISSING,
        )
        return take_apart(self._client.send(call), stream.record_path, stream.name)

    def _first_page(self, stream: StreamConfig) -> Page:
        return self._fetch(stream, (), first_position(self._config.paging[stream.name]), "")

    def _seen(self, stream: StreamConfig) -> str:
        if not stream.read:
            return self._reached(stream)
        paging, page = self._config.paging[stream.name], self._first_page(stream)
        hidden = frozenset(name for name, _ in self._sign_in.params)
        following = turn(paging, page, first_position(paging), self._config.url(stream), hidden)
        total = total_of(paging, page)
        count = counted(len(page.rows), "record") + (f" of {total:,}" if total else "")
        schema = infer(page.rows, stream.types)
        if page.rows and schema is None:
            raise NeedsPerson(RECORDS_NOT_FOUND, f"The list of {stream.name} holds no objects.")
        columns = f" with {counted(len(schema.names), 'column')}" if schema else ""
        return f"{stream.name}: {count}{columns}, {'another page follows' if following.goes_on else 'no other page'}"

    def _reached(self, stream: StreamConfig) -> str:
        """A stream that is only written is asked what it allows, which sends it nothing."""
        answer = self._client.send(
            Call(
                self._config.url(stream),
                method="OPTIONS",
                params=self._sign_in.params,
                headers={**self._config.headers, **self._sign_in.headers},
                expected=ANSWERED,
            )
        )
        return f"{stream.name}: can be reached for writing (it answered {answer.status})"

    def _discovered(self, stream: StreamConfig) -> Stream:
        if not stream.read:
            return Stream(stream.name)
        paging, page = self._config.paging[stream.name], self._first_page(stream)
        schema = infer(page.rows, stream.types)
        return Stream(
            stream.name,
            schema,
            primary_key=stream.primary_key,
            cursor_fields=(stream.cursor_field,) if stream.cursor_field else (),
            estimated_records=total_of(paging, page),
        )


def _parameter(value: str | float | bool) -> str:
    """A declared parameter as it is sent; JSON's true and false are not Python's."""
    return str(value).lower() if isinstance(value, bool) else str(value)
