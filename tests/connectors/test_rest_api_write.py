"""What the REST API plugin sends, and what it makes of the answers."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from accounts.errors import SignalboxError
from integrations.connectors.base import Commit, Context, Guarantee, ReadRequest, Refused, WriteMode, WriteRequest
from integrations.connectors.rest_api import RestApiConnector
from integrations.connectors.rest_api.write_config import declared_guarantee
from integrations.errors import (
    KEY_MISSING,
    RATE_LIMITED,
    REQUEST_REFUSED,
    RESULTS_UNTRUSTED,
    SERVER_FAILED,
    SETTINGS_INVALID,
    STREAM_MISSING,
    TABLE_INCOMPATIBLE,
    NeedsPerson,
    RetryLater,
)
from tests.connectors.rest_world import as_json, rest_context, serve

COLUMNS: list[pa.Field[Any]] = [pa.field("id", pa.int64()), pa.field("name", pa.string())]
SCHEMA = pa.schema(COLUMNS)
ROWS: list[dict[str, Any]] = [{"id": 1, "name": "a"}, {"id": 2, "name": None}, {"id": 3, "name": "ü"}]
TAKEN = Response("", 204)
KEYED = {"guarantee": "idempotency_key"}
VERSIONED = {"guarantee": "upsert_versioned", "version_field": "version"}
LISTED = {"records_per_request": 10, "results_path": "results", "result_index": "index"}


def deliver(
    context: Context,
    rows: list[dict[str, Any]] = ROWS,
    schema: pa.Schema = SCHEMA,
    *,
    mode: WriteMode = WriteMode.APPEND,
    key: tuple[str, ...] = (),
) -> list[Refused]:
    """Send the rows as batch 7 of run r, under fence 5."""
    request = WriteRequest("items", schema, mode, key, "owner", 5)
    with RestApiConnector(context).open_writer(request) as writer:
        content = writer.compose(pa.RecordBatch.from_pylist(rows, schema=schema), Commit("r", 7, {}))
        assert content is not None
        return [refused for part in writer.deliver(content.data) for refused in part]


def seen_by(server: HTTPServer, write: dict[str, Any], *args: Any, **kwargs: Any) -> list[Request]:
    seen = serve(server, lambda _request: TAKEN)
    assert deliver(rest_context(server, {"write": write}), *args, **kwargs) == []
    return seen


def bodies(seen: list[Request]) -> list[Any]:
    return [json.loads(request.get_data()) for request in seen]


def answering(answer: Callable[[list[Any]], Response]) -> Callable[[Request], Response]:
    return lambda request: answer(json.loads(request.get_data()))


# --- what is sent ----------------------------------------------------------------------------------------------------
def test_one_record_is_an_object_and_several_are_a_list_or_stand_below_a_path(httpserver: HTTPServer) -> None:
    assert bodies(seen_by(httpserver, {})) == ROWS
    httpserver.clear()
    assert bodies(seen_by(httpserver, {"records_per_request": 2})) == [ROWS[:2], ROWS[2:]]
    httpserver.clear()
    assert bodies(seen_by(httpserver, {"records_per_request": 3, "record_path": "data.rows"})) == [
        {"data": {"rows": ROWS}}
    ]


def test_every_part_has_a_key_of_its_own_that_follows_from_run_and_batch(httpserver: HTTPServer) -> None:
    seen = seen_by(httpserver, {**KEYED, "key_header": "X-Key"})
    assert [request.headers["X-Key"] for request in seen] == ["r:7:1", "r:7:2", "r:7:3"]
    httpserver.clear()
    whole = seen_by(httpserver, {**KEYED, "records_per_request": 9})
    assert [request.headers["Idempotency-Key"] for request in whole] == ["r:7"]
    assert whole[0].headers["Authorization"].startswith("Bearer ")


def test_without_the_guarantee_there_is_no_key(httpserver: HTTPServer) -> None:
    assert "Idempotency-Key" not in seen_by(httpserver, {})[0].headers


def test_a_version_is_counted_where_no_field_holds_one(httpserver: HTTPServer) -> None:
    versions = [body["version"] for body in bodies(seen_by(httpserver, VERSIONED, mode=WriteMode.UPSERT, key=("id",)))]
    assert versions == sorted(set(versions))
    assert versions[0] == (5 << 36) + (7 << 14)


@pytest.mark.parametrize(("header", "sent"), [("X-Version", ["30", "20", "10"]), ("", [])])
def test_a_mapped_version_is_the_records_own(httpserver: HTTPServer, header: str, sent: list[str]) -> None:
    schema = SCHEMA.append(pa.field("version", pa.int64()))
    rows = [{**row, "version": 40 - 10 * row["id"]} for row in ROWS]
    write = {**VERSIONED, "version_header": header}
    seen = seen_by(httpserver, write, rows, schema, mode=WriteMode.UPSERT, key=("id",))
    assert [body["version"] for body in bodies(seen)] == [30, 20, 10]
    assert [request.headers["X-Version"] for request in seen if header] == sent


def test_values_keep_their_meaning_in_json(httpserver: HTTPServer) -> None:
    fields: list[pa.Field[Any]] = [
        pa.field("at", pa.timestamp("us", tz="UTC")),
        pa.field("day", pa.date32()),
        pa.field("price", pa.decimal128(10, 2)),
        pa.field("extra", pa.string(), metadata={"signalbox.type": "json"}),
        pa.field("none", pa.string(), metadata={"signalbox.type": "json"}),
    ]
    moment = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    row = {"at": moment, "day": date(2026, 1, 2), "price": Decimal("1.50"), "extra": '{"a": [1]}', "none": None}
    assert bodies(seen_by(httpserver, {}, [row], pa.schema(fields))) == [
        {"at": "2026-01-02T03:04:05Z", "day": "2026-01-02", "price": "1.50", "extra": {"a": [1]}, "none": None}
    ]


def test_a_path_takes_values_of_the_record_and_nothing_but_values(httpserver: HTTPServer) -> None:
    httpserver.expect_request("/items/a b/../1").respond_with_response(TAKEN)
    context = rest_context(httpserver, {"write": {"path": "/items/{name}/{id}"}})
    assert deliver(context, [{"id": 1, "name": "a b/.."}]) == []
    assert len(httpserver.log) == 1


@pytest.mark.parametrize(
    ("row", "write", "word"),
    [
        ({"id": None, "name": "a"}, {"path": "/items/{id}"}, "id has no value"),
        ({"id": 1, "name": ""}, {"path": "/items/{name}"}, "name has no value"),
        ({"id": None, "name": "a"}, VERSIONED, "id has no value"),
    ],
)
def test_a_record_that_no_request_can_carry_is_refused_here(
    httpserver: HTTPServer, row: dict[str, Any], write: dict[str, Any], word: str
) -> None:
    mode = WriteMode.UPSERT if write is VERSIONED else WriteMode.APPEND
    refused = deliver(rest_context(httpserver, {"write": write}), [row], mode=mode, key=("id",))
    assert [(each.row, word in each.reason) for each in refused] == [(0, True)]
    assert httpserver.log == []


def test_a_number_that_json_cannot_say_is_refused_and_its_neighbours_are_sent(httpserver: HTTPServer) -> None:
    seen = serve(httpserver, lambda _request: TAKEN)
    schema = pa.schema([pa.field("x", pa.float64())])
    rows = [{"x": 1.5}, {"x": float("nan")}, {"x": 2.5}]
    refused = deliver(rest_context(httpserver, {"write": {"records_per_request": 3}}), rows, schema)
    assert ([each.row for each in refused], bodies(seen)) == ([1], [[{"x": 1.5}, {"x": 2.5}]])


# --- what is answered ------------------------------------------------------------------------------------------------
@pytest.mark.fault("F24")
@pytest.mark.parametrize("status", [400, 413, 422])
def test_of_a_refused_request_the_refused_record_is_found_and_the_others_arrive(
    httpserver: HTTPServer, status: int
) -> None:
    stored: list[int] = []

    def answer(records: list[Any]) -> Response:
        if any(record["id"] == 2 for record in records):
            return Response('{"message": "no 2"}', status, content_type="application/json")
        stored.extend(record["id"] for record in records)
        return TAKEN

    seen = serve(httpserver, answering(answer))
    refused = deliver(rest_context(httpserver, {"write": {**KEYED, "records_per_request": 5}}))
    assert [(each.row, each.reason) for each in refused] == [(1, f"The destination answered {status}: no 2")]
    keys = [request.headers["Idempotency-Key"] for request in seen]
    assert (sorted(stored), len(keys), len(set(keys))) == ([1, 3], 5, 5)


@pytest.mark.fault("F23")
def test_what_fails_after_a_half_arrived_may_have_arrived_where_nothing_tells_it(httpserver: HTTPServer) -> None:
    def answer(records: list[Any]) -> Response:
        if len(records) > 1:
            return Response("", 422)
        return TAKEN if records[0]["id"] == 1 else Response("", 401)

    serve(httpserver, answering(answer))
    with pytest.raises(RetryLater) as caught:
        deliver(rest_context(httpserver, {"write": {"records_per_request": 5}}))
    assert caught.value.may_have_arrived
    with pytest.raises(NeedsPerson):
        deliver(rest_context(httpserver, {"write": {**KEYED, "records_per_request": 5}}))


@pytest.mark.parametrize("status", [409, 412])
def test_to_a_version_a_conflict_says_that_a_newer_one_is_there(httpserver: HTTPServer, status: int) -> None:
    serve(httpserver, lambda _request: Response("", status))
    context = rest_context(httpserver, {"write": VERSIONED})
    assert deliver(context, mode=WriteMode.UPSERT, key=("id",)) == []


def test_to_a_key_a_conflict_says_that_its_request_is_still_at_work(httpserver: HTTPServer) -> None:
    serve(httpserver, lambda _request: Response("", 409))
    with pytest.raises(RetryLater) as caught:
        deliver(rest_context(httpserver, {"write": KEYED}))
    assert caught.value.code == SERVER_FAILED


@pytest.mark.fault("F24")
@pytest.mark.parametrize(
    ("result", "accepted"),
    [
        ({"status": 200}, True), ({"status": "201"}, True), ({"status": True}, True), ({"status": "created"}, True),
        ({"status": 500}, False), ({"status": False}, False), ({"status": "odd"}, False), ({}, False),
    ],
)  # fmt: skip
def test_a_result_says_accepted_only_in_words_that_mean_it(
    httpserver: HTTPServer, result: dict[str, Any], accepted: bool
) -> None:
    serve(httpserver, lambda _request: as_json({"results": [result]}))
    write = {"results_path": "results", "accepted": ["created"]}
    assert (deliver(rest_context(httpserver, {"write": write}), ROWS[:1]) == []) is accepted


@pytest.mark.fault("F24")
def test_results_are_matched_by_their_index_whatever_their_order(httpserver: HTTPServer) -> None:
    results = [{"index": n, "status": 400 + n if n == 1 else 200, "error": {"message": "bad"}} for n in (2, 1, 0)]
    serve(httpserver, lambda _request: as_json({"results": results}))
    refused = deliver(rest_context(httpserver, {"write": LISTED}))
    assert [(each.row, each.reason) for each in refused] == [(1, "The destination refused the record (401): bad")]


@pytest.mark.fault("F24")
@pytest.mark.parametrize(
    ("answer", "write", "word"),
    [
        ({"results": [{"index": 0, "status": 200}]}, LISTED, "1 came for 3 records"),
        ({"results": [{"index": n, "status": 200} for n in (0, 1, 1)]}, LISTED, "does not name each record once"),
        ({"results": [{"index": True, "status": 200}] * 3}, LISTED, "does not name each record once"),
        ({"results": {"all": "fine"}}, LISTED, "no list at 'results'"),
        ({"count": 2}, {"records_per_request": 9, "accepted_path": "count"}, "counts 2 accepted records, and 3 were"),
        (None, LISTED, "they are not JSON"),
    ],
)
def test_results_that_cannot_be_true_are_not_believed(
    httpserver: HTTPServer, answer: Any, write: dict[str, Any], word: str
) -> None:
    serve(httpserver, lambda _request: Response("<html>") if answer is None else as_json(answer))
    with pytest.raises(RetryLater, match=word) as caught:
        deliver(rest_context(httpserver, {"write": write}))
    assert (caught.value.code, caught.value.may_have_arrived) == (RESULTS_UNTRUSTED, True)


@pytest.mark.fault("F24")
def test_a_multi_status_is_read_although_nobody_declared_results(httpserver: HTTPServer) -> None:
    answer = Response(json.dumps([{"status": 200}, {"status": 422, "detail": "odd"}, {"status": 200}]), 207)
    serve(httpserver, lambda _request: answer)
    refused = deliver(rest_context(httpserver, {"write": {"records_per_request": 9}}))
    assert [(each.row, "odd" in each.reason) for each in refused] == [(1, True)]


@pytest.mark.fault("F21")
def test_being_asked_to_wait_is_handed_back_as_nothing_that_arrived(httpserver: HTTPServer) -> None:
    serve(httpserver, lambda _request: Response("", 429, headers={"retry-after": "30"}))
    with pytest.raises(RetryLater) as caught:
        deliver(rest_context(httpserver, {"write": {}}))
    error = caught.value
    assert (error.code, error.retry_after_seconds, error.may_have_arrived) == (RATE_LIMITED, 30, False)


# --- what is refused before anything is sent -------------------------------------------------------------------------
@pytest.mark.parametrize(
    "write",
    [
        {"records_per_request": 0},
        {"records_per_request": 2, "path": "/items/{id}"},
        {"record_path": "data"},
        {**KEYED, "key_header": ""},
        {"guarantee": "upsert_versioned"},
        {**VERSIONED, "version_header": "X-Version", "records_per_request": 2},
        {**KEYED, "key_header": "not a header"},
        {**KEYED, "key_header": "Authorization"},
        {"path": "/items with space"},
        {"guarantee": "exactly_once"},
        {"unknown": 1},
    ],
)
def test_settings_that_contradict_themselves_are_refused(httpserver: HTTPServer, write: dict[str, Any]) -> None:
    with pytest.raises(NeedsPerson) as caught:
        RestApiConnector(rest_context(httpserver, {"write": write}))
    assert (caught.value.code, caught.value.detail["field"]) == (SETTINGS_INVALID, "streams")


@pytest.mark.parametrize(
    ("stream", "mode", "key", "code"),
    [
        ({}, WriteMode.APPEND, (), REQUEST_REFUSED),
        ({"write": {"path": "/items/{sku}"}}, WriteMode.APPEND, (), TABLE_INCOMPATIBLE),
        ({"write": VERSIONED}, WriteMode.APPEND, (), SETTINGS_INVALID),
        ({"write": VERSIONED}, WriteMode.UPSERT, (), KEY_MISSING),
        ({"write": VERSIONED}, WriteMode.UPSERT, ("sku",), KEY_MISSING),
    ],
)
def test_an_integration_that_does_not_fit_the_stream_is_refused(
    httpserver: HTTPServer, stream: dict[str, Any], mode: WriteMode, key: tuple[str, ...], code: str
) -> None:
    with pytest.raises(NeedsPerson) as caught:
        deliver(rest_context(httpserver, stream), mode=mode, key=key)
    assert caught.value.code == code


def test_a_stream_that_is_only_written_is_not_read(httpserver: HTTPServer) -> None:
    connector = RestApiConnector(rest_context(httpserver, {"read": False, "write": {}}))
    assert connector.describe("items").schema is None
    with pytest.raises(NeedsPerson) as caught:
        connector.read(ReadRequest("items"))
    assert caught.value.code == STREAM_MISSING


@pytest.mark.parametrize(("status", "ok"), [(204, True), (405, True), (404, True), (401, False), (500, False)])
def test_a_stream_that_is_only_written_is_checked_without_sending_records(
    httpserver: HTTPServer, status: int, ok: bool
) -> None:
    seen = serve(httpserver, lambda _request: Response("", status))
    verdict = RestApiConnector(rest_context(httpserver, {"read": False, "write": {}})).check()
    assert (verdict.ok, {request.method for request in seen}) == (ok, {"OPTIONS"})


def test_a_stream_that_is_neither_read_nor_written_is_refused(httpserver: HTTPServer) -> None:
    with pytest.raises(SignalboxError, match="neither read nor written"):
        RestApiConnector(rest_context(httpserver, {"read": False}))


@pytest.mark.parametrize(
    ("streams", "found"),
    [
        ([{"name": "items", "write": {"guarantee": "idempotency_key"}}], Guarantee.IDEMPOTENCY_KEY),
        ([{"name": "items", "write": {}}], Guarantee.APPEND_ONLY),
        ([{"name": "items", "write": {"guarantee": "magic"}}], None),
        ([{"name": "items"}, "odd"], None),
        (None, None),
    ],
)
def test_what_the_settings_declare_is_known_without_the_connector(streams: Any, found: Guarantee | None) -> None:
    assert declared_guarantee({"streams": streams}, "items") is found
