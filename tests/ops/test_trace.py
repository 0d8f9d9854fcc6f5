"""Trace ids: taken from the caller where harmless, else made; bound to the request, its answer and its log lines."""

import re

import pytest
import structlog
from django.http import HttpRequest, HttpResponse
from django.test import RequestFactory
from structlog.testing import capture_logs

from config.middleware import TraceMiddleware
from config.trace import RESPONSE_HEADER, new_trace_id, trace_id_from

W3C = "0af7651916cd43dd8448eb211c80319c"


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"traceparent": f"00-{W3C}-b7ad6b7169203331-01"}, W3C),
        ({"X-Trace-Id": "from-the-proxy-1"}, "from-the-proxy-1"),
        ({"traceparent": "garbage", "X-Trace-Id": "from-the-proxy-1"}, "from-the-proxy-1"),
    ],
)
def test_a_harmless_id_of_the_caller_is_kept(headers: dict[str, str], expected: str) -> None:
    assert trace_id_from(headers) == expected


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"X-Trace-Id": "short"},
        {"X-Trace-Id": "x" * 65},
        {"X-Trace-Id": "line\nbreak-in-it"},
        {"traceparent": f"00-{'0' * 32}-b7ad6b7169203331-01"},
    ],
)
def test_any_other_request_gets_a_new_id(headers: dict[str, str]) -> None:
    assert re.fullmatch("[0-9a-f]{32}", trace_id_from(headers))


def test_ids_differ() -> None:
    assert new_trace_id() != new_trace_id()


def seen_inside(request: HttpRequest) -> HttpResponse:
    return HttpResponse(structlog.contextvars.get_contextvars()["trace_id"])


def test_the_request_its_answer_and_its_log_line_share_the_id() -> None:
    request = RequestFactory().get("/w/acme/?q=private", headers={"X-Trace-Id": "from-the-proxy-1"})
    with capture_logs([structlog.contextvars.merge_contextvars]) as lines:
        response = TraceMiddleware(seen_inside)(request)
    assert isinstance(response, HttpResponse)
    assert response.content == b"from-the-proxy-1"
    assert response.headers[RESPONSE_HEADER] == "from-the-proxy-1"
    (line,) = lines
    assert (line["trace_id"], line["path"], line["status"]) == ("from-the-proxy-1", "/w/acme/", 200)


def test_the_id_does_not_stay_for_the_next_request() -> None:
    TraceMiddleware(seen_inside)(RequestFactory().get("/"))
    assert "trace_id" not in structlog.contextvars.get_contextvars()


@pytest.mark.parametrize(("status", "lines"), [(200, 0), (503, 1)])
def test_probes_are_logged_only_when_they_fail(status: int, lines: int) -> None:
    with capture_logs() as logged:
        TraceMiddleware(lambda _: HttpResponse(status=status))(RequestFactory().get("/readyz"))
    assert len(logged) == lines
