"""Log lines: one event a line, six fields, no secret, no control character."""

import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from config import logging as signalbox_logging

FIELDS = {"timestamp", "level", "component", "trace_id", "message", "metadata"}


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def stream(request: pytest.FixtureRequest) -> Iterator[io.StringIO]:
    """What the root logger writes while the test runs; a terminal where the test asks for it."""
    signalbox_logging.configure({"level": "INFO", "component": "worker"})
    written: io.StringIO = getattr(request, "param", io.StringIO)()
    root = logging.getLogger()
    before = root.handlers
    root.handlers = [signalbox_logging.handler_for(written)]
    yield written
    root.handlers = before


on_a_terminal = pytest.mark.parametrize("stream", [Terminal], indirect=True)


def only_line(stream: io.StringIO) -> dict[str, Any]:
    (line,) = stream.getvalue().splitlines()
    parsed: dict[str, Any] = json.loads(line)
    return parsed


def test_a_line_has_the_six_fields(stream: io.StringIO) -> None:
    with structlog.contextvars.bound_contextvars(trace_id="abc"):
        structlog.get_logger("signalbox.runs").info("run claimed", run=7)
    line = only_line(stream)
    assert line.keys() == FIELDS
    assert line.pop("timestamp")
    assert line == {
        "level": "info",
        "component": "worker",
        "trace_id": "abc",
        "message": "run claimed",
        "metadata": {"run": 7, "logger": "signalbox.runs"},
    }


def test_the_standard_library_logs_in_the_same_form(stream: io.StringIO) -> None:
    logging.getLogger("uvicorn.error").warning("slow %s", "client", extra={"port": 80})
    line = only_line(stream)
    assert line.keys() == FIELDS
    assert (line["message"], line["metadata"]["port"]) == ("slow client", 80)


def test_an_exception_stays_on_its_line(stream: io.StringIO) -> None:
    try:
        raise ValueError("two\nlines")
    except ValueError:
        structlog.get_logger().exception("failed")
    assert "ValueError: two" in only_line(stream)["metadata"]["exception"]


@pytest.mark.parametrize(
    "text",
    ["a\nb", "a\r\nb", "\x1b[31mred", "bell\x07", "nul\x00", "\x85next", "\u2028line", "\u202edesrever", "\ud800"],
)
@pytest.mark.security("SEC-098")
def test_control_characters_are_escaped(stream: io.StringIO, text: str) -> None:
    structlog.get_logger().info(text, value=text)
    raw = stream.getvalue()
    assert raw.endswith("\n")
    assert not signalbox_logging._UNPRINTABLE.search(raw[:-1])
    assert json.loads(raw)["message"] is not None


@on_a_terminal
@pytest.mark.parametrize("text", ["a\nb", "\x1b]0;title\x07", "\u202edesrever"])
@pytest.mark.security("SEC-098")
def test_control_characters_reach_no_terminal_either(stream: io.StringIO, text: str) -> None:
    structlog.get_logger().info(text, value=text)
    written = stream.getvalue().replace("\x1b[32m", "").replace("\x1b[0m", "")
    assert not signalbox_logging._UNPRINTABLE.search(written[:-1])


@pytest.mark.parametrize(
    ("metadata", "secret"),
    [
        ({"password": "hunter2-and-more"}, "hunter2"),
        ({"api_key": "hunter2"}, "hunter2"),
        ({"headers": {"Authorization": "Basic hunter2"}}, "hunter2"),
        ({"options": [{"client_secret": "hunter2"}]}, "hunter2"),
        ({"url": "postgres://user:hunter2@db/x"}, "hunter2"),
        ({"url": "redis://:hunter2@cache:6379/0"}, "hunter2"),
        ({"detail": "sent Authorization: Bearer hunter2"}, "hunter2"),
    ],
)
def test_no_secret_reaches_a_line(stream: io.StringIO, metadata: dict[str, object], secret: str) -> None:
    structlog.get_logger().info("event", **metadata)
    assert secret not in stream.getvalue()
    assert signalbox_logging.REDACTED in stream.getvalue()


def test_a_secret_in_the_message_is_replaced(stream: io.StringIO) -> None:
    logging.getLogger("x").info("connecting to %s", "redis://:hunter2@cache:6379")
    assert only_line(stream)["message"] == "connecting to redis://:[redacted]@cache:6379"


def test_deep_values_are_cut_and_odd_ones_become_text(stream: io.StringIO) -> None:
    deep: dict[str, object] = {"leaf": object()}
    for _ in range(10):
        deep = {"down": deep}
    structlog.get_logger().info("event", deep=deep, kinds=(1, 2.5, None, True))
    metadata = only_line(stream)["metadata"]
    assert metadata["kinds"] == [1, 2.5, None, True]
    assert "..." in str(metadata["deep"])


@on_a_terminal
def test_a_terminal_gets_readable_text_with_the_traceback_below(stream: io.StringIO) -> None:
    with structlog.contextvars.bound_contextvars(trace_id="0123456789abcdef"):
        try:
            raise ValueError("reason")
        except ValueError:
            structlog.get_logger().exception("failed", run=7)
    first, *rest = stream.getvalue().splitlines()
    assert "worker" in first
    assert first.endswith("failed  run=7 trace=01234567")
    assert rest[-1].strip() == "ValueError: reason"


def test_debug_is_silent_at_level_info(stream: io.StringIO) -> None:
    structlog.get_logger().debug("noise")
    assert stream.getvalue() == ""


def test_an_address_without_a_password_is_left_as_it_is(stream: io.StringIO) -> None:
    structlog.get_logger().info("listening on http://127.0.0.1:8000 (stop with Ctrl-C), mail ops@example.org")
    assert only_line(stream)["message"] == "listening on http://127.0.0.1:8000 (stop with Ctrl-C), mail ops@example.org"


def test_an_answer_that_was_refused_is_logged_once_but_a_crash_with_its_traceback(stream: io.StringIO) -> None:
    django_log = logging.getLogger("django.request")
    django_log.warning("Not Found: /x")
    assert stream.getvalue() == ""
    django_log.error("Internal Server Error", exc_info=ValueError("reason"))
    assert "ValueError: reason" in only_line(stream)["metadata"]["exception"]
