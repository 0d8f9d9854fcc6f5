"""Bad files, pages, mappings, credentials and addresses: a failed run that says why and what to do, and loses nothing.

Every test mends the cause afterwards and goes on: the destination then holds each record exactly once.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from integrations.models import Event, Run
from integrations.pipeline.mapper import Mapper
from integrations.services import masking
from integrations.services.credentials import rotate_credential
from tests.e2e.line import BATCH, FIELDS, Line, address_of
from tests.servers import free_port

pytestmark = pytest.mark.django_db(transaction=True)
RECORDS = 5 * BATCH
WHOLE = list(range(RECORDS))
GOOD_CSV = b"id,name\n" + b"".join(b"%d,record %d\n" % (number, number) for number in WHOLE)
TOKEN = "tok-9a41c07be2"


def assert_failed(run: Run, code: str, *words: str) -> None:
    """Red, with a code, a message that names what it is about, and what to do; never a green event before or after."""
    assert (run.state, run.error_code) == ("failed", code)
    assert [word for word in words if word not in run.error_message] == []
    assert run.error_what_to_do.endswith(".")
    assert "run.succeeded" not in Event.objects.filter(run_id=run.pk).values_list("kind", flat=True)
    assert run.read == run.written + run.set_aside + run.filtered


# --- files -----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("content", "code", "word"),
    [
        (b"<!DOCTYPE html>\n<html><body>Please sign in</body></html>\n", "file_unreadable", "records.csv"),
        (b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" + bytes(range(256)), "file_unreadable", "records.csv"),
        (None, "stream_missing", "records.csv"),
    ],
    ids=["a web page", "binary", "missing"],
)
def test_a_bad_file(line: Line, content: bytes | None, code: str, word: str) -> None:
    if content is not None:
        (line.files / "records.csv").write_bytes(content)
    line.join(line.connector("in", "files", format="csv"), "records.csv")
    failed = line.run()
    assert_failed(failed, code, word)
    assert failed.read == 0
    (line.files / "records.csv").write_bytes(GOOD_CSV)
    assert line.run(continues=failed).state == "succeeded"
    assert line.ids() == WHOLE


@pytest.mark.fault("F26")
def test_a_few_lines_with_a_wrong_number_of_columns_are_set_aside_and_the_run_is_not_plain_green(line: Line) -> None:
    (line.files / "records.csv").write_bytes(GOOD_CSV + b"too,many,columns\nalone\n")
    line.join(line.connector("in", "files", format="csv"), "records.csv")
    run = line.run()
    assert (run.state, run.has_warnings, run.read, run.written, run.set_aside) == ("succeeded", True, 52, 50, 2)
    assert line.ids() == WHOLE


@pytest.mark.fault("F26")
def test_too_many_lines_with_a_wrong_number_of_columns_fail_the_run(line: Line) -> None:
    path = line.files / "records.csv"
    path.write_bytes(GOOD_CSV + b"1,2,3\n" * 60)
    upsert = {"write_mode": "upsert", "key": ("id",)}
    line.join(line.connector("in", "files", format="csv"), "records.csv", **upsert)
    failed = line.run()
    assert_failed(failed, "too_many_rejected", "60 of 110 records")
    path.write_bytes(GOOD_CSV)
    assert line.run().state == "succeeded"
    assert line.ids() == WHOLE


def test_a_file_that_breaks_in_the_middle_keeps_what_came_before_and_the_next_run_goes_on_there(line: Line) -> None:
    path, rows, padding = line.files / "records.csv", 60_000, b"-" * 400
    good = b"id,name\n" + b"".join(b"%d,%s %d\n" % (number, padding, number) for number in range(rows))
    path.write_bytes(good.replace(b" 50000\n", b" \xff\xfe\n"))
    line.join(line.connector("in", "files", format="csv"), "records.csv", rules={"limit.batch_records": 5_000})
    failed = line.run()
    assert_failed(failed, "file_unreadable", "records.csv")
    assert 0 < failed.written < 50_000
    assert line.ids() == list(range(failed.written))
    path.write_bytes(good)
    assert line.run(continues=failed).state == "succeeded"
    assert line.ids() == list(range(rows))


# --- pages -----------------------------------------------------------------------------------------------------------
@dataclass
class Source:
    """An API of five pages by cursor; `fault` answers in its place from page three on while it is set."""

    server: HTTPServer
    fault: Callable[[int], Response] | None = None
    token: str = TOKEN
    asked: list[int] = field(default_factory=list)

    def answer(self, request: Request) -> Response:
        if request.headers.get("authorization") != f"Bearer {self.token}":
            return Response("denied", status=401)
        number = int(request.args.get("cursor", "0"))
        self.asked.append(number)
        return self.fault(number) if self.fault and number >= 2 else page(number)

    def settings(self, port: int | None = None, host: str = "127.0.0.1") -> dict[str, Any]:
        streams = [{"name": "items", "path": "/items", "record_path": "data", "primary_key": ["id"]}]
        base = f"http://{host}:{port or self.server.port}"
        return {"base_url": base, "streams": streams, "paging": "cursor", "next_path": "next"}


def page(number: int, **changes: Any) -> Response:
    first = number * BATCH
    following = str(number + 1) if first + BATCH < RECORDS else None
    body = {"data": [{"id": first + row} for row in range(BATCH)], "next": following, **changes}
    return Response(json.dumps(body), content_type="application/json")


def truncated(number: int) -> Response:
    return Response(page(number).get_data()[:-30], content_type="application/json")


@pytest.fixture
def source(httpserver: HTTPServer, line: Line, settings: Any) -> Source:
    made = Source(httpserver)
    httpserver.expect_request("/items").respond_with_handler(made.answer)
    settings.EGRESS_ALLOW = (*settings.EGRESS_ALLOW, f"127.0.0.1:{httpserver.port}")
    return made


@pytest.mark.parametrize(
    ("fault", "code", "word"),
    [
        (lambda _: Response("<html>Sign in</html>", content_type="text/html"), "answer_undecodable", "a web page"),
        (lambda _: Response("<html>Sign in</html>", content_type="application/json"), "answer_undecodable", "items"),
        (truncated, "answer_undecodable", "not valid JSON"),
        (lambda _: Response("", content_type="application/json"), "answer_undecodable", "empty"),
        (lambda _: Response('{"error": "quota"}', content_type="application/json"), "records_not_found", "'error'"),
        (lambda number: page(number, data={"id": 1}), "records_not_found", "'data'"),
        (lambda number: page(number, next=str(number)), "pagination_no_progress", "items"),
        (lambda _: Response("busy", status=503), "server_failed", "503"),
    ],
    ids=["html", "html as json", "truncated", "empty", "error object", "no list", "repeated cursor", "server error"],
)
def test_a_bad_page(line: Line, source: Source, fault: Callable[[int], Response], code: str, word: str) -> None:
    source.fault = fault
    login = line.credential("bearer", token=TOKEN)
    line.join(line.connector("in", "rest_api", login, **source.settings()), "items")
    failed = line.run()
    assert_failed(failed, code, word)
    assert line.ids() == WHOLE[: failed.written]
    assert failed.written >= 2 * BATCH
    source.fault = None
    source.asked.clear()
    assert line.run(continues=failed).state == "succeeded"
    assert line.ids() == WHOLE
    # Once for the columns; the records go on where the failed run stood.
    assert source.asked == [0, 2, 3, 4]


# --- mappings --------------------------------------------------------------------------------------------------------
def mapping(expression: str) -> dict[str, Any]:
    return {"fields": [*FIELDS, {"target": "name", "expression": expression, "type": "text"}], "filter": ""}


def test_a_mapping_that_names_a_column_which_the_source_does_not_have(line: Line) -> None:
    (line.files / "records.csv").write_bytes(GOOD_CSV)
    inbox = line.connector("in", "files", format="csv")
    line.join(inbox, "records.csv", mapping=mapping("upper(nickname)"))
    failed = line.run()
    assert_failed(failed, "mapping_invalid", "nickname")
    line.change(inbox, "records.csv", mapping=mapping("upper(name)"))
    assert line.run(continues=failed).state == "succeeded"
    assert line.ids() == WHOLE


def test_a_mapping_that_is_too_slow_is_stopped(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = (b'%d,"%s"\n' % (number, b"ab" * 2_000) for number in range(2_000))
    (line.files / "records.csv").write_bytes(b"id,name\n" + b"".join(rows))
    inbox = line.connector("in", "files", format="csv")
    slow = "length(regexp_replace(name, '(a|b|ab){1,900}c', '', 'g'))::text"
    line.join(inbox, "records.csv", mapping=mapping(slow), rules={"limit.batch_records": 1_000})
    with monkeypatch.context() as patch:
        # The product's ten seconds would only make this test long.
        patch.setattr(masking, "Mapper", partial(Mapper, timeout_seconds=0.2))
        failed = line.run()
    assert_failed(failed, "mapping_invalid", "too slow")
    line.change(inbox, "records.csv", mapping=mapping("left(name, 10)"))
    assert line.run(continues=failed).state == "succeeded"
    assert line.ids() == list(range(2_000))


# --- credentials -----------------------------------------------------------------------------------------------------
def test_a_credential_that_the_source_refuses_in_the_middle_of_a_run(line: Line, source: Source) -> None:
    def revoke(_: int) -> Response:
        return Response("denied", status=401)

    source.fault = revoke
    login = line.credential("bearer", token=TOKEN)
    line.join(line.connector("in", "rest_api", login, **source.settings()), "items")
    failed = line.run()
    assert_failed(failed, "credential_refused", "401")
    assert TOKEN not in failed.error_message
    assert line.ids() == WHOLE[: 2 * BATCH]
    source.fault, source.token = None, "tok-the-new-one"
    assert_failed(line.run(continues=failed), "credential_refused", "401")
    rotate_credential(credential=login, values={"token": "tok-the-new-one"}, user=None)
    assert line.run(continues=failed).state == "succeeded"
    assert line.ids() == WHOLE


def test_a_wrong_password_of_the_destination(line: Line) -> None:
    line.destination.ask("DROP ROLE IF EXISTS guarded")
    line.destination.ask("CREATE ROLE guarded SUPERUSER LOGIN PASSWORD 'right-one-7c1'")
    login = line.credential("basic", username="guarded", password="wrong-one-5e0")
    line.target = line.connector("guarded", "postgres", login, **address_of(line.destination.folder.port))
    (line.files / "records.csv").write_bytes(GOOD_CSV)
    line.join(line.connector("in", "files", format="csv"), "records.csv")
    failed = line.run()
    assert_failed(failed, "credential_refused", "guarded")
    assert "wrong-one-5e0" not in failed.error_message
    rotate_credential(credential=login, values={"password": "right-one-7c1"}, user=None)
    assert line.run(continues=failed).state == "succeeded"
    assert line.ids() == WHOLE


# --- addresses -------------------------------------------------------------------------------------------------------
def private(source: Source, allow: Callable[[int], None]) -> dict[str, Any]:
    del allow
    return source.settings(port=free_port())


def unresolvable(source: Source, allow: Callable[[int], None]) -> dict[str, Any]:
    del allow
    return source.settings(host="nowhere.invalid")


def refusing(source: Source, allow: Callable[[int], None]) -> dict[str, Any]:
    port = free_port()
    allow(port)
    return source.settings(port=port)


@pytest.mark.parametrize(
    ("address", "code", "word"),
    [
        (private, "address_blocked", "private or loopback"),
        (unresolvable, "host_not_found", "nowhere.invalid"),
        (refusing, "unreachable", "refused"),
    ],
)
def test_a_bad_address(
    line: Line, source: Source, settings: Any, address: Callable[..., dict[str, Any]], code: str, word: str
) -> None:
    def allow(port: int) -> None:
        settings.EGRESS_ALLOW = (*settings.EGRESS_ALLOW, f"127.0.0.1:{port}")

    login = line.credential("bearer", token=TOKEN)
    line.join(line.connector("in", "rest_api", login, **address(source, allow)), "items")
    failed = line.run()
    assert_failed(failed, code, word)
    line.connector("in", "rest_api", login, **source.settings())
    assert line.run(continues=failed).state == "succeeded"
    assert line.ids() == WHOLE
