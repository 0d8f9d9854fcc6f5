"""The HTTP client against real servers: where it connects, what it refuses, how long it waits, what it gives away."""

from __future__ import annotations

import gzip
import logging
import socket
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from integrations.connectors.base import Limits
from integrations.connectors.http import Answer, Call, HttpClient
from integrations.connectors.http_transport import Deadline
from integrations.errors import (
    ADDRESS_BLOCKED,
    ADDRESS_INVALID,
    ANSWER_TOO_LARGE,
    ANSWER_UNDECODABLE,
    CREDENTIAL_REFUSED,
    RATE_LIMITED,
    REDIRECT_REFUSED,
    REQUEST_REFUSED,
    SERVER_FAILED,
    STREAM_MISSING,
    TIMED_OUT,
    UNREACHABLE,
    NeedsPerson,
    RetryLater,
)
from tests.connectors.rest_world import QUICK

SECRET = "s3cret-c4nary"


class Waits:
    """A `sleep` that only notes what it was asked for."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    def __call__(self, seconds: float) -> None:
        self.seconds.append(seconds)


def send(port: int, *, limits: Limits = QUICK, sleep: Callable[[float], None] | None = None, **call: object) -> Answer:
    client = HttpClient(limits, (f"127.0.0.1:{port}",), sleep=sleep or Waits(), randomness=lambda: 1.0)
    with closing(client):
        return client.send(Call(f"http://127.0.0.1:{port}/x", **call))  # type: ignore[arg-type]


@contextmanager
def raw_server(speak: Callable[[socket.socket], object]) -> Iterator[int]:
    """A server that accepts connections and lets `speak` say whatever it likes."""
    listener = socket.create_server(("127.0.0.1", 0))

    def run() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                try:
                    speak(connection)
                except OSError:
                    continue

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(5)


def test_an_answer_comes_back_decoded(httpserver: HTTPServer) -> None:
    body = gzip.compress(b'{"a": 1}')
    httpserver.expect_request("/x", query_string={"a": "1", "b": " c"}).respond_with_data(
        body, headers={"content-encoding": "gzip"}, content_type="application/json; charset=utf-8"
    )
    answer = send(httpserver.port, params=(("a", "1"), ("b", " c")))
    assert (answer.body, answer.content_type, answer.status) == (b'{"a": 1}', "application/json", 200)


def test_parameters_are_added_to_those_of_the_address() -> None:
    assert Call("http://a.example/x?y=1#z", params=(("k", "v w"),)).full_url == "http://a.example/x?y=1&k=v+w"


@pytest.mark.security("SEC-083")
@pytest.mark.parametrize(
    ("status", "kind", "code"),
    [
        (301, NeedsPerson, REDIRECT_REFUSED),
        (302, NeedsPerson, REDIRECT_REFUSED),
        (303, NeedsPerson, REDIRECT_REFUSED),
        (307, NeedsPerson, REDIRECT_REFUSED),
        (308, NeedsPerson, REDIRECT_REFUSED),
        (400, NeedsPerson, REQUEST_REFUSED),
        (401, NeedsPerson, CREDENTIAL_REFUSED),
        (403, NeedsPerson, CREDENTIAL_REFUSED),
        (404, NeedsPerson, STREAM_MISSING),
        (410, NeedsPerson, STREAM_MISSING),
        (418, NeedsPerson, REQUEST_REFUSED),
        (408, RetryLater, SERVER_FAILED),
        (429, RetryLater, RATE_LIMITED),
        (500, RetryLater, SERVER_FAILED),
        (503, RetryLater, SERVER_FAILED),
    ],
)
def test_a_status_says_who_should_act(httpserver: HTTPServer, status: int, kind: type[Exception], code: str) -> None:
    elsewhere = f"http://127.0.0.1:{httpserver.port}/elsewhere"
    httpserver.expect_request("/x").respond_with_data("no", status=status, headers={"location": elsewhere})
    with pytest.raises(kind) as caught:
        send(httpserver.port, missing=STREAM_MISSING)
    assert caught.value.code == code  # type: ignore[attr-defined]
    assert [request.path for request, _ in httpserver.log] == ["/x"]


def test_a_failed_request_is_repeated_as_the_limits_say(httpserver: HTTPServer) -> None:
    for status in (503, 500):
        httpserver.expect_ordered_request("/x").respond_with_data("", status=status)
    httpserver.expect_ordered_request("/x").respond_with_data("{}", content_type="application/json")
    waits = Waits()
    assert send(httpserver.port, limits=Limits(attempts=3), sleep=waits).body == b"{}"
    assert waits.seconds == [0.5, 1.0]


def test_the_last_failure_is_raised_when_the_attempts_are_used_up(httpserver: HTTPServer) -> None:
    httpserver.expect_request("/x").respond_with_data("", status=502)
    with pytest.raises(RetryLater) as caught:
        send(httpserver.port, limits=Limits(attempts=3))
    assert (len(httpserver.log), caught.value.retry_after_seconds) == (3, None)


@pytest.mark.parametrize("status", [429, 403, 503])
def test_a_short_retry_after_is_waited_for(httpserver: HTTPServer, status: int) -> None:
    httpserver.expect_ordered_request("/x").respond_with_data("", status=status, headers={"retry-after": "2"})
    httpserver.expect_ordered_request("/x").respond_with_data("{}")
    waits = Waits()
    send(httpserver.port, limits=Limits(attempts=2), sleep=waits)
    assert waits.seconds == [2.0]


def test_a_long_retry_after_is_handed_back_within_its_bound(httpserver: HTTPServer) -> None:
    httpserver.expect_request("/x").respond_with_data("", status=429, headers={"retry-after": "9999"})
    waits = Waits()
    with pytest.raises(RetryLater) as caught:
        send(httpserver.port, limits=Limits(attempts=5, retry_after_max_seconds=120), sleep=waits)
    assert (caught.value.code, caught.value.retry_after_seconds, waits.seconds) == (RATE_LIMITED, 120.0, [])


def test_a_call_that_may_not_be_repeated_is_sent_once(httpserver: HTTPServer) -> None:
    httpserver.expect_request("/x", method="POST", data=b"hello").respond_with_data("", status=500)
    with pytest.raises(RetryLater):
        send(httpserver.port, limits=Limits(attempts=5), method="POST", content=b"hello", repeatable=False)
    assert len(httpserver.log) == 1


def test_a_private_address_is_not_connected_to(httpserver: HTTPServer) -> None:
    with closing(HttpClient(QUICK, ())) as client, pytest.raises(NeedsPerson) as caught:
        client.send(Call(f"http://127.0.0.1:{httpserver.port}/x"))
    assert (caught.value.code, httpserver.log) == (ADDRESS_BLOCKED, [])


@pytest.mark.security("SEC-080")
@pytest.mark.security("SEC-080")
def test_a_name_that_turns_inward_is_never_connected_to_there(httpserver: HTTPServer) -> None:
    httpserver.expect_request("/x", headers={"host": f"shop.example:{httpserver.port}"}).respond_with_data("{}")
    answers = iter([("127.0.0.1",), ("169.254.169.254",)])
    allow = (f"shop.example:{httpserver.port}",)
    with closing(HttpClient(QUICK, allow, resolver=lambda _host, _port: next(answers))) as client:
        client.send(Call(f"http://shop.example:{httpserver.port}/x"))
        with pytest.raises(NeedsPerson) as caught:
            client.send(Call(f"http://shop.example:{httpserver.port}/x"))
    assert (caught.value.code, list(answers), len(httpserver.log)) == (ADDRESS_BLOCKED, [], 1)


def test_the_next_address_is_tried_where_the_first_does_not_answer(httpserver: HTTPServer) -> None:
    httpserver.expect_request("/x").respond_with_data("{}")
    allow = (f"shop.example:{httpserver.port}",)
    with closing(HttpClient(QUICK, allow, resolver=lambda _host, _port: ("127.0.0.3", "127.0.0.1"))) as client:
        assert client.send(Call(f"http://shop.example:{httpserver.port}/x")).status == 200


@pytest.mark.security("SEC-080")
@pytest.mark.security("SEC-080")
def test_a_connection_that_ends_elsewhere_is_refused(httpserver: HTTPServer, monkeypatch: pytest.MonkeyPatch) -> None:
    connect = socket.create_connection
    elsewhere = (httpserver.host, httpserver.port)
    monkeypatch.setattr(socket, "create_connection", lambda _to, timeout: connect(elsewhere, timeout))
    allow = (f"shop.example:{httpserver.port}",)
    client = HttpClient(QUICK, allow, resolver=lambda _host, _port: ("127.0.0.9",))
    with closing(client), pytest.raises(NeedsPerson) as caught:
        client.send(Call(f"http://shop.example:{httpserver.port}/x"))
    assert (caught.value.code, httpserver.log) == (ADDRESS_BLOCKED, [])


@pytest.mark.security("SEC-084")
@pytest.mark.security("SEC-084")
def test_the_environment_sets_no_proxy_and_no_credential(
    httpserver: HTTPServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text(f"machine 127.0.0.1 login me password {SECRET}\n")
    monkeypatch.setenv("NETRC", str(netrc))
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    httpserver.expect_request("/x").respond_with_data("{}")
    send(httpserver.port)
    assert "authorization" not in httpserver.log[0][0].headers


@pytest.mark.security("SEC-085")
@pytest.mark.fault("F45")
@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
@pytest.mark.parametrize("status", [200, 302, 500])
def test_a_decompression_bomb_is_stopped_early(httpserver: HTTPServer, encoding: str, status: int) -> None:
    bomb = zlib.compressobj(9, wbits=31 if encoding == "gzip" else 15)
    piece = bytes(1024 * 1024)
    body = b"".join(bomb.compress(piece) for _ in range(30)) + bomb.flush()
    httpserver.expect_request("/x").respond_with_data(body, status=status, headers={"content-encoding": encoding})
    with pytest.raises((NeedsPerson, RetryLater)) as caught:
        send(httpserver.port, limits=Limits(attempts=1, max_answer_bytes=64 * 1024 * 1024))
    assert caught.value.code == {200: ANSWER_TOO_LARGE, 302: REDIRECT_REFUSED, 500: SERVER_FAILED}[status]


@pytest.mark.fault("F45")
def test_a_large_answer_is_stopped_at_the_limit(httpserver: HTTPServer) -> None:
    httpserver.expect_request("/x").respond_with_data(b"x" * 5000)
    with pytest.raises(NeedsPerson) as caught:
        send(httpserver.port, limits=Limits(attempts=1, max_answer_bytes=4096))
    assert caught.value.code == ANSWER_TOO_LARGE


@pytest.mark.security("SEC-085")
@pytest.mark.parametrize("encoding", ["gzip, gzip", "br", "zstd", "x-own"])
def test_an_encoding_that_was_not_asked_for_is_refused(httpserver: HTTPServer, encoding: str) -> None:
    httpserver.expect_request("/x").respond_with_data(b"abc", headers={"content-encoding": encoding})
    with pytest.raises(NeedsPerson) as caught:
        send(httpserver.port)
    assert caught.value.code == ANSWER_UNDECODABLE


def test_bytes_that_cannot_be_unpacked_are_undecodable(httpserver: HTTPServer) -> None:
    httpserver.expect_request("/x").respond_with_data(b"not gzip at all", headers={"content-encoding": "gzip"})
    with pytest.raises(NeedsPerson) as caught:
        send(httpserver.port)
    assert caught.value.code == ANSWER_UNDECODABLE


def test_a_closed_port_is_unreachable_and_the_client_librarys_error_is_left_behind() -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    with pytest.raises(RetryLater) as caught:
        send(port)
    error = caught.value
    assert (error.code, error.__cause__, error.__suppress_context__) == (UNREACHABLE, None, True)


def test_no_operation_may_take_longer_than_the_deadline_leaves() -> None:
    deadline = Deadline()
    deadline.start(2.0)
    assert 1.0 < deadline.bound(30.0) <= 2.0
    assert deadline.bound(0.5) == 0.5


@pytest.mark.parametrize("said", [b"", b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc", b"SSH-2.0-Fake\r\n\r\n"])
def test_a_line_that_breaks_off_is_unreachable(said: bytes) -> None:
    def speak(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(said)

    with raw_server(speak) as port, pytest.raises(RetryLater) as caught:
        send(port)
    assert caught.value.code == UNREACHABLE


def test_a_silent_server_is_given_up() -> None:
    released = threading.Event()
    limits = Limits(attempts=1, connect_timeout_seconds=0.1, read_timeout_seconds=0.2)
    with raw_server(lambda _connection: released.wait(10)) as port:
        with pytest.raises(RetryLater) as caught:
            send(port, limits=limits)
        released.set()
    assert caught.value.code == TIMED_OUT


def test_a_connection_that_does_not_come_in_time_names_the_rule(monkeypatch: pytest.MonkeyPatch) -> None:
    def wait(_to: object, _timeout: float) -> socket.socket:
        raise TimeoutError("timed out")

    monkeypatch.setattr(socket, "create_connection", wait)
    with pytest.raises(RetryLater) as caught:
        send(9, limits=Limits(attempts=1))
    assert (caught.value.code, caught.value.detail["rule"]) == (TIMED_OUT, "timeout.connect_seconds")


def test_a_trickle_of_bytes_cannot_outlast_the_deadline() -> None:
    stop = threading.Event()

    def speak(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n")
        while not stop.wait(0.05):
            connection.sendall(b"x")

    limits = Limits(attempts=1, connect_timeout_seconds=0.1, read_timeout_seconds=0.1)
    started = time.monotonic()
    with raw_server(speak) as port, pytest.raises(RetryLater) as caught:
        send(port, limits=limits)
    stop.set()
    assert caught.value.code == TIMED_OUT
    assert time.monotonic() - started < 5


def test_closing_ends_a_call_in_flight() -> None:
    asked, released = threading.Event(), threading.Event()

    def speak(connection: socket.socket) -> None:
        connection.recv(65536)
        asked.set()
        released.wait(10)

    errors: list[Exception] = []
    with raw_server(speak) as port:
        client = HttpClient(Limits(attempts=1), (f"127.0.0.1:{port}",))

        def call() -> None:
            try:
                client.send(Call(f"http://127.0.0.1:{port}/x"))
            except RetryLater as error:
                errors.append(error)

        thread = threading.Thread(target=call)
        thread.start()
        assert asked.wait(5)
        client.close()
        thread.join(5)
        released.set()
    assert [error.code for error in errors] == [UNREACHABLE]  # type: ignore[attr-defined]


@pytest.mark.security("SEC-081")
@pytest.mark.parametrize("url", ["http://a b/", "http://u:p@127.0.0.1/", "ftp://127.0.0.1/", "http://127.1/"])
def test_an_unclear_address_is_refused(url: str) -> None:
    with closing(HttpClient(QUICK, ())) as client, pytest.raises(NeedsPerson) as caught:
        client.send(Call(url))
    assert caught.value.code == ADDRESS_INVALID


def test_an_address_that_httpx_cannot_send_is_refused(httpserver: HTTPServer) -> None:
    with pytest.raises(NeedsPerson) as caught:
        send(httpserver.port, headers={"x-name": "ü\u20ac"})
    assert caught.value.code == ADDRESS_INVALID


@pytest.mark.parametrize("answer", [Response("", 401), Response("", 500), Response("", 302), Response("", 400), None])
def test_no_secret_stands_in_an_error_a_repr_or_a_log(
    httpserver: HTTPServer, caplog: pytest.LogCaptureFixture, answer: Response | None
) -> None:
    caplog.set_level(logging.DEBUG)

    def handle(_request: Request) -> Response:
        return answer or Response(b"x" * 5_000_000)

    httpserver.expect_request("/x").respond_with_handler(handle)
    call = Call(
        f"http://127.0.0.1:{httpserver.port}/x?key={SECRET}",
        params=(("key", SECRET),),
        headers={"authorization": f"Bearer {SECRET}"},
        content=SECRET.encode(),
    )
    with closing(HttpClient(QUICK, (f"127.0.0.1:{httpserver.port}",))) as client:
        with pytest.raises((NeedsPerson, RetryLater)) as caught:
            client.send(call)
        error = caught.value
        # The test's own server logs what it was asked.
        logged = [record.getMessage() for record in caplog.records if record.name != "werkzeug"]
        shown = (str(error), repr(error), repr(error.detail), repr(client), call.name, error.__cause__, *logged)
    assert [text for text in shown if SECRET in str(text)] == []
