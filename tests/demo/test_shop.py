"""The sandbox shop, served as `manage.py sandbox` serves it, and read by the connector that the demo uses."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import uvicorn

from integrations.connectors.base import Batch, Context, Limits, ReadRequest
from integrations.connectors.http import Call, HttpClient
from integrations.connectors.rest_api import RestApiConnector
from integrations.demo import shop as shop_module
from integrations.demo import shop_records as records
from integrations.demo.shop import Shop, settings_for
from integrations.errors import CREDENTIAL_REFUSED, REQUEST_REFUSED, STREAM_MISSING, NeedsPerson

TOKEN = "sandbox-4be1c7"
NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)

Serve = Callable[[Shop], str]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Serves shops on free ports and stops them in the end; gives the address of each."""
    running: list[tuple[uvicorn.Server, threading.Thread]] = []

    def start(shop: Shop) -> str:
        config = uvicorn.Config(shop, host="127.0.0.1", port=0, log_config=None, access_log=False, lifespan="off")
        server, listening = uvicorn.Server(config), config.bind_socket()
        listening.listen()  # from now on a connection waits for the server, if it must
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
        thread.start()
        running.append((server, thread))
        return f"http://127.0.0.1:{listening.getsockname()[1]}"

    yield start
    for server, thread in running:
        server.should_exit = True
        thread.join(10)


def connector(base: str, **changes: Any) -> RestApiConnector:
    limits = Limits(attempts=4, backoff_initial_seconds=0.01)
    allow = (base.removeprefix("http://"),)
    return RestApiConnector(
        Context({**settings_for(base), **changes}, {"token": TOKEN}, "bearer", limits=limits, egress_allow=allow)
    )


def read(base: str, stream: str, **request: Any) -> list[Batch]:
    with closing(connector(base)) as reading:
        schema = next(found.schema for found in reading.discover() if found.name == stream)
        return list(reading.read(ReadRequest(stream, schema=schema, **request)))


def ids(batches: list[Batch]) -> list[int]:
    return [row["id"] for batch in batches for row in batch.records.to_pylist()]


def get(base: str, path: str, token: str = TOKEN) -> bytes:
    client = HttpClient(Limits(attempts=1), (base.removeprefix("http://"),))
    with closing(client):
        call = Call(base + path, headers={"authorization": f"Bearer {token}"}, missing=STREAM_MISSING)
        return client.send(call).body


@pytest.mark.parametrize(
    ("stream", "count"),
    [("customers", records.CUSTOMERS), ("products", records.PRODUCTS), ("refunds", records.REFUNDS)],
)
def test_every_record_of_a_stream_is_read_and_the_bad_share_is_known(serve: Serve, stream: str, count: int) -> None:
    batches = read(serve(Shop(TOKEN, has_faults=False)), stream)
    bad = sum(len(batch.bad) for batch in batches)
    spoilt = range(records.BAD_EVERY, count + 1, records.BAD_EVERY)
    # A missing field is no misfit of a type; the mapping's requirements find it.
    assert (len(ids(batches)) + bad, bad) == (count, len([n for n in spoilt if n // records.BAD_EVERY % 3 != 1]))
    assert len(set(ids(batches))) == len(ids(batches))


def test_orders_are_read_whole_then_by_what_is_new(serve: Serve) -> None:
    clock = [NOON]
    base = serve(Shop(TOKEN, has_faults=False, now=lambda: clock[0]))
    first = read(base, "orders", cursor_field="updated_at", primary_key=("id",))
    clock[0] += timedelta(seconds=30)
    second = read(base, "orders", cursor_field="updated_at", primary_key=("id",), cursor=first[-1].cursor)
    bad = sum(len(batch.bad) for batch in first)
    new = set(range(records.last_order(NOON) + 1, records.last_order(clock[0]) + 1))
    shipped = {n for n in ids(second) if n not in new}
    assert len(ids(first)) + bad == records.ORDERS_SHOWN
    assert len(new - set(ids(second))) <= 2
    assert all(n % 10 == 0 for n in shipped)
    assert len(shipped) == pytest.approx(6, abs=1)


def test_nothing_new_gives_nothing(serve: Serve) -> None:
    base = serve(Shop(TOKEN, has_faults=False, now=lambda: NOON))
    first = read(base, "orders", cursor_field="updated_at")
    assert ids(read(base, "orders", cursor_field="updated_at", cursor=first[-1].cursor)) == []


def test_the_faults_are_survived_without_loss(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shop_module, "SLOW_SECONDS", 0.01)
    for name, number in (("LIMITED_EVERY", 5), ("FAILS_EVERY", 7), ("SLOW_EVERY", 3)):
        monkeypatch.setattr(shop_module, name, number)
    batches = read(serve(Shop(TOKEN)), "customers")
    assert len(ids(batches)) + sum(len(batch.bad) for batch in batches) == records.CUSTOMERS


def test_the_connection_test_says_what_it_saw(serve: Serve) -> None:
    with closing(connector(serve(Shop(TOKEN, has_faults=False)))) as checked:
        verdict = checked.check()
    assert verdict.ok
    assert "customers: 500 records of 5,000 with 8 columns, another page follows" in verdict.message


def test_the_index_needs_no_token_and_names_the_streams(serve: Serve) -> None:
    assert b"/orders" in get(serve(Shop(TOKEN)), "/", token="none")


@pytest.mark.parametrize(
    ("path", "token", "code"),
    [
        ("/orders", "wrong", CREDENTIAL_REFUSED),
        ("/nothing", TOKEN, STREAM_MISSING),
        ("/orders?updated_since=soon", TOKEN, REQUEST_REFUSED),
        ("/orders?limit=0", TOKEN, REQUEST_REFUSED),
        ("/customers?page=x", TOKEN, REQUEST_REFUSED),
        ("/refunds?offset=-1", TOKEN, REQUEST_REFUSED),
    ],
)
def test_a_wrong_request_is_refused(serve: Serve, path: str, token: str, code: str) -> None:
    with pytest.raises(NeedsPerson) as caught:
        get(serve(Shop(TOKEN)), path, token)
    assert caught.value.code == code


def test_writing_is_refused(serve: Serve) -> None:
    base = serve(Shop(TOKEN))
    with closing(HttpClient(Limits(attempts=1), (base.removeprefix("http://"),))) as client:
        with pytest.raises(NeedsPerson, match="405"):
            client.send(Call(f"{base}/orders", method="POST"))
        assert client.send(Call(f"{base}/", method="HEAD")).body == b""


def test_the_bulk_stream_has_the_asked_size(serve: Serve) -> None:
    stream = {
        "name": "bulk",
        "path": "/bulk",
        "record_path": "data",
        "params": {"size": 2_500},
        "paging": {"paging": "cursor", "cursor_param": "page", "total_path": "total"},
    }
    with closing(connector(serve(Shop(TOKEN)), streams=[stream])) as reading:
        batches = list(reading.read(ReadRequest("bulk")))
    assert ids(batches) == list(range(1, 2_501))
    assert (batches[-1].progress, sum(len(batch.bad) for batch in batches)) == (1.0, 0)


def test_an_order_follows_from_its_number_and_its_time() -> None:
    number = records.last_order(NOON) // 10 * 10
    fresh, later = (records.order(number, NOON + timedelta(minutes=minutes)) for minutes in (0, 2))
    assert (fresh["status"], later["status"]) == ("paid", "shipped")
    assert {**fresh, "status": "", "updated_at": ""} == {**later, "status": "", "updated_at": ""}


@pytest.mark.parametrize(("number", "field"), [(97 * 3, "amount"), (97, "amount"), (97 * 2, "created_at")])
def test_a_spoilt_order_has_a_wrong_type_a_missing_field_or_a_malformed_date(number: int, field: str) -> None:
    order = records.order(number, NOON)
    assert order.get(field) in {"on request", None, "the day before yesterday"}


def test_a_shop_that_is_new_shows_the_orders_that_there_are() -> None:
    assert (records.first_order(records.OPENED + timedelta(seconds=5)), records.last_order(records.OPENED)) == (1, 0)


async def test_it_speaks_http_alone() -> None:
    async def unused(*_: Any) -> Any:
        raise AssertionError("nothing may be received or sent")

    with pytest.raises(ValueError, match="websocket"):
        await Shop(TOKEN)({"type": "websocket"}, unused, unused)
