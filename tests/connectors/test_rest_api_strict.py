"""What is not exactly the declared list of records is an error, never an empty page; a bad record goes alone."""

from __future__ import annotations

from typing import Any

import msgspec
import pyarrow as pa
import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Response

from integrations.connectors.base import Context, WriteMode, WriteRequest
from integrations.connectors.http import Answer
from integrations.connectors.rest_api import RestApiConnector
from integrations.connectors.rest_api.answer import take_apart
from integrations.connectors.rest_api.auth import sign_in
from integrations.connectors.rest_api.config import parse
from integrations.connectors.rest_api.decode import PageDecoder
from integrations.connectors.rest_api.schema import TIMESTAMP, infer
from integrations.errors import (
    ANSWER_UNDECODABLE,
    CREDENTIAL_MISSING,
    CREDENTIAL_REFUSED,
    RECORDS_NOT_FOUND,
    REQUEST_REFUSED,
    SETTINGS_INVALID,
    NeedsPerson,
)
from tests.connectors.rest_world import as_json, read_all, rest_context, serve

JSON = {"content-type": "application/json"}


def rows_of(text: str) -> list[msgspec.Raw]:
    return msgspec.json.decode(text.encode(), type=list[msgspec.Raw])


def columns(**kinds: pa.DataType) -> pa.Schema:
    return pa.schema(list(kinds.items()))


@pytest.mark.parametrize(
    ("body", "path", "code"),
    [
        (b"", "", ANSWER_UNDECODABLE),
        (b"<html>", "", ANSWER_UNDECODABLE),
        (b'[{"id": 1}, {"id"', "", ANSWER_UNDECODABLE),
        (b'[{"id": 1}] x', "", ANSWER_UNDECODABLE),
        (b'[{"id": NaN}]', "", ANSWER_UNDECODABLE),
        (b'{"data": [], "total": Infinity}', "data", ANSWER_UNDECODABLE),
        (b'{"data": [], "data": [{"id": 1}]}', "data", ANSWER_UNDECODABLE),
        (b'{"data": [], "a": {"b": 1, "b": 2}}', "data", ANSWER_UNDECODABLE),
        (b'{"data": [], "a": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", "data", ANSWER_UNDECODABLE),
        (b'{"data": [], "a": ' + b"9" * 100_000 + b"}", "data", ANSWER_UNDECODABLE),
        (b'{"data": [], "a": "\xff"}', "data", ANSWER_UNDECODABLE),
        (b'{"data": [], "a": 01}', "data", ANSWER_UNDECODABLE),
        (b'{"id": 1}', "", RECORDS_NOT_FOUND),
        (b"null", "", RECORDS_NOT_FOUND),
        (b"5", "", RECORDS_NOT_FOUND),
        (b'{"data": null}', "data", RECORDS_NOT_FOUND),
        (b'{"data": {"id": 1}}', "data", RECORDS_NOT_FOUND),
        (b'{"data": "[]"}', "data", RECORDS_NOT_FOUND),
        (b'{"items": []}', "data", RECORDS_NOT_FOUND),
        (b'{"a": {"c": []}}', "a.b", RECORDS_NOT_FOUND),
        (b'{"a": []}', "a.b", RECORDS_NOT_FOUND),
        (b'{"b": 1}', "a.b", RECORDS_NOT_FOUND),
        (b'{"error": {"message": "quota"}}', "data", RECORDS_NOT_FOUND),
    ],
)
def test_an_answer_that_is_not_the_list_is_refused(body: bytes, path: str, code: str) -> None:
    with pytest.raises(NeedsPerson) as caught:
        take_apart(Answer(200, JSON, body), path, "items")
    assert caught.value.code == code


def test_an_error_object_is_named() -> None:
    with pytest.raises(NeedsPerson, match="holds 'error' and no list"):
        take_apart(Answer(200, JSON, b'{"error": "x"}'), "data", "items")


@pytest.mark.parametrize(
    "kind", ["text/html; charset=utf-8", "text/plain", "application/xml", "application/octet-stream"]
)
def test_another_content_type_is_refused(kind: str) -> None:
    with pytest.raises(NeedsPerson) as caught:
        take_apart(Answer(200, {"content-type": kind}, b"[]"), "", "items")
    assert caught.value.code == ANSWER_UNDECODABLE


@pytest.mark.parametrize("kind", ["application/json; charset=utf-8", "application/vnd.api+json", "text/json", ""])
def test_a_list_is_taken_apart(kind: str) -> None:
    body = b'\xef\xbb\xbf{"a": {"b": [{"id": 1}, {"id": 2}]}, "next": "x"}'
    page = take_apart(Answer(200, {"content-type": kind}, body), "a.b", "items")
    assert ([bytes(row) for row in page.rows], page.envelope["next"]) == ([b'{"id": 1}', b'{"id": 2}'], "x")


@pytest.mark.parametrize(
    "said", [Response("[]", content_type="text/html"), as_json({"error": 1}), as_json({"data": None})]
)
def test_a_run_never_ends_with_zero_records_for_a_fault(httpserver: HTTPServer, said: Response) -> None:
    serve(httpserver, lambda _request: said)
    with pytest.raises(NeedsPerson):
        read_all(rest_context(httpserver, {"record_path": "data"}))


def test_a_list_without_objects_is_no_list_of_records(httpserver: HTTPServer) -> None:
    serve(httpserver, lambda _request: as_json([1, 2]))
    with pytest.raises(NeedsPerson) as caught:
        read_all(rest_context(httpserver, {}))
    connector = RestApiConnector(rest_context(httpserver, {}))
    verdict = connector.check()
    connector.close()
    assert (caught.value.code, verdict.code) == (RECORDS_NOT_FOUND, RECORDS_NOT_FOUND)


def test_an_empty_stream_is_read_as_empty_with_a_cursor(httpserver: HTTPServer) -> None:
    serve(httpserver, lambda _request: as_json([]))
    batches = read_all(rest_context(httpserver, {}))
    assert [(batch.records.num_rows, batch.cursor["done"]) for batch in batches] == [(0, True)]


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ("1, 2, null", pa.int64()),
        ("1, 2.5", pa.float64()),
        ("true, false", pa.bool_()),
        ('"2026-01-02T03:04:05Z", "2026-01-02 03:04:05.123456+02:00"', TIMESTAMP),
        ('"2026-01-02T03:04:05", null', pa.timestamp("us")),
        ('"2026-01-02"', pa.date32()),
        ('"2026-13-02T03:04:05Z"', pa.string()),
        ('"2026-02-30"', pa.string()),
        ('"2026-01-02T03:04:05.123456789Z"', pa.string()),
        ('"a", 1', pa.string()),
        ('{"a": 1}', pa.string()),
        ("[1]", pa.string()),
        ("null", pa.string()),
        ("99999999999999999999", pa.string()),
        ("1, " * 19 + '"x"', pa.int64()),
    ],
)
def test_a_column_has_the_type_of_nine_in_ten(values: str, kind: pa.DataType) -> None:
    rows = [msgspec.Raw(b'{"v": ' + bytes(value) + b"}") for value in rows_of(f"[{values}]")]
    schema = infer(rows, {})
    assert schema is not None
    assert schema.field("v").type == kind


def test_declared_types_win_over_the_sample() -> None:
    schema = infer(rows_of('[{"a": 1, "b": 2}]'), {"a": "number", "c": "timestamp"})
    assert schema == columns(a=pa.float64(), b=pa.int64(), c=TIMESTAMP)


SCHEMA = columns(
    id=pa.int64(),
    name=pa.string(),
    price=pa.float64(),
    ok=pa.bool_(),
    at=TIMESTAMP,
    on=pa.date32(),
    seen=pa.timestamp("us"),
)


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ('{"id": "7"}', "id: a text where a whole number is expected."),
        ('{"id": 1.5}', "id: a number where a whole number is expected."),
        ('{"id": 99999999999999999999}', "id: a whole number where a whole number is expected."),
        ('{"id": 2.0}', "id: a number where a whole number is expected."),
        ('{"price": "12,50"}', "price: a text where a number is expected."),
        ('{"ok": 1}', "ok: a whole number where true or false is expected."),
        ('{"ok": {"a": 1}}', "ok: an object where true or false is expected."),
        ('{"price": [1]}', "price: a list where a number is expected."),
        ('{"at": "yesterday"}', "at: a text where a date and time is expected."),
        ('{"at": 5}', "at: a whole number where a date and time is expected."),
        ('{"on": "2026-02-30"}', "on: a text where a date is expected."),
        ('{"seen": true}', "seen: true or false where a date and time is expected."),
        ('{"price": 1e999}', "A value does not fit the type of its column."),
        ('{"id": 1, "id": 2}', "The record is not an object"),
        ("[1]", "The record is not an object"),
        ("null", "The record is not an object"),
        ('"x"', "The record is not an object"),
    ],
)
def test_a_record_that_does_not_fit_is_set_aside_alone(row: str, reason: str) -> None:
    good = '{"id": 1, "name": "a", "price": 2, "ok": true, "at": "2026-01-02T03:04:05Z", "on": "2026-01-02"}'
    decoded = PageDecoder(SCHEMA).decode(rows_of(f"[{good}, {row}, {good}]"))
    assert decoded.records.num_rows == 2
    assert [bad.raw for bad in decoded.bad] == [row]
    assert decoded.bad[0].reason.startswith(reason)


def test_only_bad_records_leave_an_empty_batch_of_the_schema() -> None:
    decoded = PageDecoder(SCHEMA).decode(rows_of('["x", 5]'))
    assert (decoded.records.num_rows, decoded.records.schema, len(decoded.bad)) == (0, SCHEMA, 2)


def test_a_text_column_keeps_other_values_as_their_json() -> None:
    schema = columns(id=pa.int64(), v=pa.string())
    text = (
        '[{"id":1,"v":{"a": [1, "é\\n"]}},{"id":2,"v":"pl\\"ain"},{"id":3,"v":5},'
        '{"id":4,"v":null},{"id":5},{"id":6,"v":[ ]}]'
    )
    decoder = PageDecoder(schema)
    for _ in range(2):
        values = decoder.decode(rows_of(text)).records.column("v").to_pylist()
        assert values == ['{"a":[1,"é\\n"]}', 'pl"ain', "5", None, None, "[]"]


def test_a_text_column_with_other_values_beside_a_bad_record() -> None:
    schema = columns(id=pa.int64(), v=pa.string())
    decoded = PageDecoder(schema).decode(rows_of('[{"id":1,"v":{}},{"id":"x","v":"a"},{"id":3,"v":"b"}]'))
    assert (decoded.records.to_pylist(), len(decoded.bad)) == ([{"id": 1, "v": "{}"}, {"id": 3, "v": "b"}], 1)


def test_records_written_over_several_lines_are_read() -> None:
    decoded = PageDecoder(columns(id=pa.int64(), name=pa.string())).decode(
        rows_of('[\n {\n  "id": 1,\r\n  "name": "a\\nb"\n },\n {"id": 2}\n]')
    )
    assert decoded.records.to_pylist() == [{"id": 1, "name": "a\nb"}, {"id": 2, "name": None}]


def test_the_raw_text_of_a_bad_record_is_bounded() -> None:
    decoded = PageDecoder(columns(id=pa.int64())).decode(rows_of(f'[{{"id": "{"x" * 100_000}"}}]'))
    assert len(decoded.bad[0].raw) == 64 * 1024


STREAM = {"name": "items", "path": "/items"}


@pytest.mark.parametrize(
    "settings",
    [
        {"streams": None},
        {"streams": []},
        {"streams": [STREAM, STREAM]},
        {"streams": [{**STREAM, "pth": 1}]},
        {"streams": [{"name": "", "path": ""}]},
        {"streams": [{**STREAM, "path": "/a b"}]},
        {"streams": [{**STREAM, "path": "/a\\b"}]},
        {"streams": [{**STREAM, "overlap_seconds": -1}]},
        {"streams": [{**STREAM, "cursor_param": "since"}]},
        {"streams": [{**STREAM, "types": {"a": "money"}}]},
        {"streams": [{**STREAM, "paging": {"paging": "guess"}}]},
        {"streams": [{**STREAM, "paging": {"paging": "page", "page_param": ""}}]},
        {"streams": [{**STREAM, "paging": {"paging": "cursor", "next_path": ""}}]},
        {"streams": [{**STREAM, "paging": {"page_size": 0}}]},
        {"page_start": 7},
        {"streams": [{**STREAM, "paging": {"paging": "page", "last_page": "short"}}]},
        {"base_url": "https://a.example/?x=1"},
        {"headers": {"Authorization": "x"}},
        {"headers": {"x y": "x"}},
        {"headers": {"x": "a\r\nb: c"}},
        {"headers": ["x"]},
    ],
)
def test_settings_that_cannot_be_used_are_refused_by_name(settings: dict[str, Any]) -> None:
    with pytest.raises(NeedsPerson) as caught:
        parse(Context({"base_url": "https://a.example", "streams": [STREAM], **settings}))
    assert caught.value.code == SETTINGS_INVALID
    assert caught.value.detail["field"]


@pytest.mark.parametrize(
    ("kind", "values", "code"),
    [
        ("bearer", {}, CREDENTIAL_MISSING),
        ("bearer", {"token": "a\r\nb"}, CREDENTIAL_REFUSED),
        ("bearer", {"token": "clé"}, CREDENTIAL_REFUSED),
        ("api_key", {"name": "x y", "key": "k"}, CREDENTIAL_REFUSED),
        ("api_key", {"name": "x"}, CREDENTIAL_MISSING),
        ("basic", {"username": "a:b"}, CREDENTIAL_REFUSED),
        ("oauth", {}, CREDENTIAL_MISSING),
    ],
)
def test_a_credential_that_cannot_be_sent_is_refused(kind: str, values: dict[str, str], code: str) -> None:
    with pytest.raises(NeedsPerson) as caught:
        sign_in(kind, values)
    assert caught.value.code == code
    assert not any(value in str(caught.value) for value in values.values() if len(value) > 2)


def test_a_credential_becomes_a_header_or_a_parameter() -> None:
    assert sign_in("basic", {"username": "me", "password": "pw"}).headers == {"authorization": "Basic bWU6cHc="}
    assert sign_in("api_key", {"name": "X-Key", "placement": "header", "key": "k"}).headers == {"x-key": "k"}
    assert sign_in("api_key", {"name": "key", "placement": "query", "key": "k"}).params == (("key", "k"),)
    assert sign_in("", {}).headers == {}
    assert "me" not in repr(sign_in("bearer", {"token": "me"}))


def test_extra_headers_and_parameters_are_sent(httpserver: HTTPServer) -> None:
    seen = serve(httpserver, lambda _request: as_json([{"id": 1}]))
    read_all(rest_context(httpserver, {"params": {"open": True, "n": 5}}, headers={"X-Version": "2026-01"}))
    assert (seen[0].args.to_dict(), seen[0].headers["x-version"]) == ({"open": "true", "n": "5"}, "2026-01")


def test_writing_is_refused(httpserver: HTTPServer) -> None:
    connector = RestApiConnector(rest_context(httpserver, {}))
    with pytest.raises(NeedsPerson) as caught:
        connector.open_writer(WriteRequest("items", pa.schema([]), WriteMode.APPEND, (), "owner", 1))
    connector.close()
    assert caught.value.code == REQUEST_REFUSED
