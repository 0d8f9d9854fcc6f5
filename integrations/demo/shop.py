"""The sandbox shop: a small API to try integrations on, a bare ASGI application with no database and no Django.

It pages in four ways, wants a bearer token, slows callers down now and then, gives a known share of bad records, and
fails at fixed request numbers. `settings_for` is the configuration of a REST API connector that reads all of it.
"""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any
from urllib.parse import parse_qsl

import msgspec

from integrations.demo import shop_records as shop

# ASGI's own shapes: https://asgi.readthedocs.io/en/latest/specs/www.html
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

MAX_PER_PAGE = 500
BULK_PAGE = 1_000
BULK_MAX = 10_000_000
# Of the requests with a good token, counted from the start of the process (the bulk stream keeps out of it).
LIMITED_EVERY = 40
FAILS_EVERY = 55
SLOW_EVERY = 70
SLOW_SECONDS = 1.5

INDEX = {
    "name": "Signalbox sandbox shop",
    "sign_in": "Authorization: Bearer <token>",
    "streams": {
        "/customers": "page number paging: page, per_page; records in data",
        "/orders": "cursor paging: after, limit; records in data; updated_since; grows by two orders a second",
        "/products": "Link header paging: page, per_page; a list at the top",
        "/refunds": "offset paging: offset, limit; records in result.items",
        "/bulk": "size records of ten columns, 1,000 a page, for a benchmark: size, page",
    },
    "bad_records": f"one in {shop.BAD_EVERY}: a wrong type, a missing field or a malformed date",
    "faults": f"429 on every {LIMITED_EVERY}th request, 500 on every {FAILS_EVERY}th, slow on every {SLOW_EVERY}th",
}


@dataclass(frozen=True)
class Reply:
    """What is sent back."""

    body: bytes
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


class UnusableParameterError(Exception):
    """A parameter cannot be used."""


_BY_PAGE = {"paging": "page", "size_param": "per_page", "page_size": MAX_PER_PAGE, "total_path": "total"}
_STREAMS: list[dict[str, Any]] = [
    {
        "name": "orders",
        "path": "/orders",
        "record_path": "data",
        "primary_key": ["id"],
        "cursor_field": "updated_at",
        "cursor_param": "updated_since",
        "paging": {
            "paging": "cursor",
            "cursor_param": "after",
            "next_path": "next_after",
            "size_param": "limit",
            "page_size": MAX_PER_PAGE,
            "total_path": "total",
        },
    },
    {
        "name": "customers",
        "path": "/customers",
        "record_path": "data",
        "primary_key": ["id"],
        "paging": _BY_PAGE,
    },
    {
        "name": "products",
        "path": "/products",
        "primary_key": ["id"],
        "paging": {"paging": "link", "size_param": "per_page", "page_size": 100},
    },
    {
        "name": "refunds",
        "path": "/refunds",
        "record_path": "result.items",
        "primary_key": ["id"],
        "paging": {
            "paging": "offset",
            "size_param": "limit",
            "page_size": MAX_PER_PAGE,
            "total_path": "result.total",
        },
    },
]


def settings_for(base_url: str) -> dict[str, Any]:
    """The settings of a `rest_api` connector that reads every stream of the shop at `base_url`."""
    return {"base_url": base_url, "streams": deepcopy(_STREAMS)}


class Shop:
    """The ASGI application. `has_faults` false leaves out the 429, the 500 and the slow answers."""

    def __init__(
        self, token: str, *, has_faults: bool = True, now: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._expected = f"Bearer {token}".encode()
        self._has_faults = has_faults
        self._now = now
        self._requests = 0
        self._routes: dict[str, Callable[[Mapping[str, str]], Reply]] = {
            "/customers": self._customers,
            "/orders": self._orders,
            "/products": self._products,
            "/refunds": self._refunds,
            "/bulk": _bulk,
        }

    async def __call__(self, scope: Message, _receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            raise ValueError(f"the sandbox shop speaks no {scope['type']}")
        reply = await self._answer(scope)
        headers = {"content-type": "application/json", "content-length": str(len(reply.body)), **reply.headers}
        raw = [(name.encode(), value.encode()) for name, value in headers.items()]
        await send({"type": "http.response.start", "status": reply.status, "headers": raw})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else reply.body})

    async def _answer(self, scope: Message) -> Reply:
        path = scope["path"]
        if path == "/":
            return _json(INDEX)
        if scope["method"] not in {"GET", "HEAD"}:
            return _error(405, "the shop is read only")
        if not hmac.compare_digest(dict(scope["headers"]).get(b"authorization", b""), self._expected):
            return _error(401, "sign in with the bearer token of the sandbox")
        if path not in self._routes:
            return _error(404, "there is no such stream")
        fault = None if path == "/bulk" else await self._fault()
        return fault or self._serve(path, scope["query_string"])

    def _serve(self, path: str, query: bytes) -> Reply:
        try:
            return self._routes[path](dict(parse_qsl(query.decode("ascii"))))
        except (UnusableParameterError, UnicodeDecodeError) as error:
            return _error(400, str(error))

    async def _fault(self) -> Reply | None:
        """The fault that this request's number asks for."""
        self._requests += 1
        if not self._has_faults:
            return None
        if self._requests % LIMITED_EVERY == 0:
            return _error(429, "slow down", {"retry-after": "1"})
        if self._requests % FAILS_EVERY == 0:
            return _error(500, "the shop tripped over a cable")
        if self._requests % SLOW_EVERY == 0:
            await asyncio.sleep(SLOW_SECONDS)
        return None

    def _customers(self, query: Mapping[str, str]) -> Reply:
        page, size = _number(query, "page", 1), _size(query, "per_page")
        numbers = _window((page - 1) * size, size, shop.CUSTOMERS)
        return _json({"data": [shop.customer(n) for n in numbers], "page": page, "total": shop.CUSTOMERS})

    def _orders(self, query: Mapping[str, str]) -> Reply:
        now, size = self._now(), _size(query, "limit")
        since, first, last = _moment(query, "updated_since"), shop.first_order(now), shop.last_order(now)
        if since is not None:
            # An order changes once at most, a minute after it came in.
            earliest = since - timedelta(seconds=shop.SHIPPED_AFTER_SECONDS + 1)
            first = max(first, shop.last_order(earliest))
        start = max(first, _number(query, "after", 0, least=0) + 1)
        found = []
        for number in range(start, last + 1):
            if since is None or shop.order_changed_at(number, now) >= since:
                found.append(number)
            if len(found) == size:
                break
        following = found[-1] if len(found) == size and found[-1] < last else None
        body = {"data": [shop.order(n, now) for n in found], "next_after": following}
        return _json(body if since is not None else {**body, "total": last - first + 1})

    def _products(self, query: Mapping[str, str]) -> Reply:
        page, size = _number(query, "page", 1), _size(query, "per_page")
        numbers = _window((page - 1) * size, size, shop.PRODUCTS)
        more = page * size < shop.PRODUCTS
        link = {"link": f'</products?page={page + 1}&per_page={size}>; rel="next"'} if more else {}
        return _json([shop.product(n) for n in numbers], link)

    def _refunds(self, query: Mapping[str, str]) -> Reply:
        numbers = _window(_number(query, "offset", 0, least=0), _size(query, "limit"), shop.REFUNDS)
        return _json({"result": {"items": [shop.refund(n) for n in numbers], "total": shop.REFUNDS}})


@lru_cache(maxsize=256)
def _bulk_body(page: int, size: int) -> bytes:
    return shop.bulk_page(page, BULK_PAGE, size)


def _bulk(query: Mapping[str, str]) -> Reply:
    size = min(BULK_MAX, _number(query, "size", BULK_PAGE))
    return Reply(_bulk_body(_number(query, "page", 1), size))


def _window(offset: int, size: int, count: int) -> range:
    """The numbers from 1 to `count` of which `offset` are skipped."""
    return range(offset + 1, min(offset + size, count) + 1)


def _size(query: Mapping[str, str], name: str) -> int:
    return min(MAX_PER_PAGE, _number(query, name, 100))


def _number(query: Mapping[str, str], name: str, default: int, *, least: int = 1) -> int:
    text = query.get(name, str(default))
    if not text.isascii() or not text.isdigit() or len(text) > 15 or int(text) < least:
        raise UnusableParameterError(f"{name} must be a whole number from {least}")
    return int(text)


def _moment(query: Mapping[str, str], name: str) -> datetime | None:
    if name not in query:
        return None
    try:
        moment = datetime.fromisoformat(query[name])
    except ValueError:
        raise UnusableParameterError(f"{name} must be a date and time") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _json(value: object, headers: Mapping[str, str] | None = None) -> Reply:
    return Reply(msgspec.json.encode(value), headers=headers or {})


def _error(status: int, message: str, headers: Mapping[str, str] | None = None) -> Reply:
    return Reply(msgspec.json.encode({"error": message}), status, headers or {})
