"""The one outgoing HTTP client: checked addresses, no redirects, bounded answers, classified errors, patient retries.

Nothing it raises, logs or shows holds a credential: messages name the method, scheme, host and path, never a query, a
header or a body, and httpx2's own exceptions (which carry the request) do not stay in the chain.
"""

from __future__ import annotations

import functools
import logging
import random
import ssl
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from urllib.parse import urlencode, urlsplit, urlunsplit

import httpcore2
import httpx2

from accounts.errors import SignalboxError
from integrations.connectors.base import Limits
from integrations.connectors.gate import OPEN_GATE, Gate, Leave
from integrations.connectors.http_body import large_headers, read_body
from integrations.connectors.http_transport import CheckedTransport
from integrations.domain.retry import RetryAction, RetryRule, decide, parse_retry_after
from integrations.egress import Resolver, check_url_syntax, system_resolver
from integrations.errors import (
    ADDRESS_INVALID,
    CREDENTIAL_REFUSED,
    RATE_LIMITED,
    REDIRECT_REFUSED,
    REQUEST_REFUSED,
    SERVER_FAILED,
    TIMED_OUT,
    UNREACHABLE,
    NeedsPerson,
    NotYet,
    RetryLater,
)

# A longer wait is handed back, so that a slice can end and its worker do something else.
PATIENCE_SECONDS = 5.0
# An answer that trickles in may take this many times the read timeout in all.
WHOLE_ANSWER_TIMEOUTS = 4
HEADERS = {"accept": "application/json", "accept-encoding": "gzip", "user-agent": "signalbox"}

Params = Sequence[tuple[str, str]]

# These log whole URLs and headers, which may hold a key.
for _name in ("httpx2", "httpcore2"):
    logging.getLogger(_name).setLevel(logging.WARNING)


@dataclass(frozen=True)
class Call:
    """One request. `repeatable` says that sending it twice does no harm; `missing` is the code for a 404.

    `expected` are statuses beside 2xx that the caller reads itself.
    """

    url: str
    method: str = "GET"
    params: Params = field(default=(), repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    content: bytes = field(default=b"", repr=False)
    repeatable: bool = True
    missing: str = REQUEST_REFUSED
    expected: frozenset[int] = frozenset()

    @property
    def name(self) -> str:
        """The request in words for a person, without its query."""
        return f"{self.method} {without_query(self.url)}"

    @property
    def full_url(self) -> str:
        """The address with the parameters added to the query that it has."""
        if not self.params:
            return self.url
        parts = urlsplit(self.url)
        query = "&".join(filter(None, (parts.query, urlencode(self.params))))
        return urlunsplit(parts._replace(query=query, fragment=""))


@dataclass(frozen=True)
class Answer:
    """A successful answer, read whole and decompressed. Header names are lower case."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)

    @property
    def content_type(self) -> str:
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()


class HttpClient:
    """Sends calls one at a time over kept connections; `close` may be called from another thread."""

    def __init__(
        self,
        limits: Limits,
        allow: tuple[str, ...],
        *,
        resolver: Resolver = system_resolver,
        tls: ssl.SSLContext | None = None,
        gate: Gate = OPEN_GATE,
        sleep: Callable[[float], None] = time.sleep,
        randomness: Callable[[], float] = random.random,
    ) -> None:
        self._gate = gate
        self._leave: Leave | None = None
        self._is_closed = False
        self._limits = limits
        self._allow = allow
        self._sleep = sleep
        self._randomness = randomness
        self._one_at_a_time = threading.Lock()
        self._transport = CheckedTransport(allow, resolver, tls or _trusted())
        timeout = httpx2.Timeout(limits.read_timeout_seconds, connect=limits.connect_timeout_seconds)
        self._client = httpx2.Client(
            transport=self._transport, trust_env=False, follow_redirects=False, timeout=timeout, headers=HEADERS
        )
        self._rule = RetryRule(
            limits.attempts, limits.backoff_initial_seconds, limits.backoff_max_seconds, limits.retry_after_max_seconds
        )

    def send(self, call: Call) -> Answer:
        """The answer to `call` with a 2xx status, after as many attempts as the limits allow.

        Raises NeedsPerson where a repetition would fail the same way, else RetryLater; its `retry_after_seconds` is
        the wait that was asked for, or that would have been too long to sit through here. NotYet where the gate keeps
        the call back.
        """
        check_url_syntax(call.url, self._allow)
        attempt, waited = 1, 0.0
        while True:
            try:
                with self._one_at_a_time:
                    return self._through_gate(call)
            except NotYet:
                raise
            except RetryLater as error:
                if not call.repeatable:
                    raise
                refusal = self._gate.refusal()
                if refusal is not None:
                    raise refusal from None
                seconds = self._wait_after(error, attempt, waited)
            self._sleep(seconds)
            attempt, waited = attempt + 1, waited + seconds

    def pause(self, attempt: int, waited: float, asked_seconds: float | None) -> float | None:
        """Wait before a part of what was sent goes out again, as before a whole call; None where that is to end.

        `attempt` counts from 1, `waited` and the answer are seconds.
        """
        decision = decide(
            attempt,
            self._rule,
            randomness=self._randomness(),
            asked_seconds=asked_seconds,
            waited_seconds=waited,
            patience_seconds=PATIENCE_SECONDS,
        )
        if decision.action is not RetryAction.WAIT:
            return None
        self._sleep(decision.seconds)
        return decision.seconds

    def close(self) -> None:
        """Close the connections; a call in flight in another thread fails at once."""
        self._is_closed = True
        self._transport.abort()
        self._client.close()
        if self._leave is not None:
            self._leave()

    def _through_gate(self, call: Call) -> Answer:
        """One attempt, and its end told; one that we broke off tells nothing. The place is kept from the first on."""
        if self._leave is None:
            self._leave = self._gate.enter()
        self._gate.admit()
        if self._is_closed:
            self._leave()
            raise RetryLater(UNREACHABLE, f"{call.name}: not sent, since the reading has ended.")
        try:
            answer = self._attempt(call)
        except SignalboxError as error:
            if not self._is_closed:
                self._gate.report(error)
            raise
        self._gate.report(None)
        return answer

    def _wait_after(self, error: RetryLater, attempt: int, waited: float) -> float:
        """How long to wait before the next attempt, or the error again where this call should not wait."""
        decision = decide(
            attempt,
            self._rule,
            randomness=self._randomness(),
            asked_seconds=error.retry_after_seconds,
            waited_seconds=waited,
            patience_seconds=PATIENCE_SECONDS,
        )
        if decision.action is RetryAction.GIVE_UP:
            raise error
        if decision.action is RetryAction.HAND_BACK:
            raise RetryLater(
                error.code,
                error.message,
                retry_after_seconds=decision.seconds,
                may_have_arrived=error.may_have_arrived,
            ) from None
        return decision.seconds

    def _attempt(self, call: Call) -> Answer:
        request = self._request(call)
        self._transport.deadline.start(
            self._limits.connect_timeout_seconds + WHOLE_ANSWER_TIMEOUTS * self._limits.read_timeout_seconds
        )
        try:
            response = self._client.send(request, stream=True)
            try:
                _require_success(call, response)
                body = read_body(response, call.name, self._limits.max_answer_bytes)
            finally:
                response.close()
        except (httpx2.HTTPError, httpcore2.NetworkError, httpcore2.ProtocolError, httpcore2.TimeoutException) as error:
            raise _classified(call, error) from None
        return Answer(response.status_code, dict(response.headers), body)

    def _request(self, call: Call) -> httpx2.Request:
        try:
            request = self._client.build_request(
                call.method, call.full_url, headers=dict(call.headers), content=call.content or None
            )
        except (httpx2.InvalidURL, UnicodeEncodeError, ValueError):
            raise NeedsPerson(ADDRESS_INVALID, f"{call.name} cannot be sent: its address is not valid.") from None
        return request


@functools.cache
def _trusted() -> ssl.SSLContext:
    """The system's certificate authorities; reading them takes 20 ms, so once a process."""
    return ssl.create_default_context()


def without_query(url: str) -> str:
    """The address as it may be shown: no user information, no query, no fragment."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def _require_success(call: Call, response: httpx2.Response) -> None:
    status = response.status_code
    if 200 <= status < 300 or status in call.expected:
        return
    asked = parse_retry_after(response.headers.get("retry-after", ""), datetime.now(UTC))
    if status == 429 or (status == 403 and asked is not None):
        raise RetryLater(
            RATE_LIMITED,
            f"{call.name} answered {status}: too many requests.",
            retry_after_seconds=asked,
            may_have_arrived=False,
        )
    if status in {408, 425} or status >= 500:
        raise RetryLater(SERVER_FAILED, f"{call.name} answered {status}.", retry_after_seconds=asked)
    raise _refusal(call, status)


def _refusal(call: Call, status: int) -> NeedsPerson:
    if status in {401, 403, 407}:
        return NeedsPerson(CREDENTIAL_REFUSED, f"{call.name} answered {status}: the credential was not accepted.")
    if 300 <= status < 400:
        return NeedsPerson(REDIRECT_REFUSED, f"{call.name} answered {status}: a redirect to another address.")
    if status in {404, 410}:
        return NeedsPerson(call.missing, f"{call.name} answered {status}: there is nothing at this address.")
    return NeedsPerson(REQUEST_REFUSED, f"{call.name} answered {status}.")


def _classified(call: Call, error: Exception) -> NeedsPerson | RetryLater:
    if getattr(error.__context__, "error_status_hint", 0) == 431:  # h11: more than it takes of one event
        return large_headers(call.name)
    if isinstance(error, httpcore2.ConnectTimeout):
        late = f"{call.name}: no connection in time."
        return RetryLater(TIMED_OUT, late, may_have_arrived=False, rule="timeout.connect_seconds")
    if isinstance(error, httpcore2.TimeoutException):
        return RetryLater(TIMED_OUT, f"{call.name}: no whole answer in time.")
    if isinstance(error, httpcore2.ConnectError):
        return RetryLater(UNREACHABLE, f"{call.name}: the connection was refused or failed.", may_have_arrived=False)
    return RetryLater(UNREACHABLE, f"{call.name}: the connection broke off.")
