"""The records of the sandbox shop: the same for ever by their number, with a known share of bad ones.

An order's number and time follow from the wall clock, so a shop that is started again goes on where it would have been.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

Record = dict[str, Any]

CUSTOMERS = 5_000
PRODUCTS = 400
REFUNDS = 2_000
# Every so-manieth record is bad in one of three ways.
BAD_EVERY = 97
OPENED = datetime(2025, 1, 1, tzinfo=UTC)
ORDERS_PER_SECOND = 2
# The shop shows its latest orders alone, so a whole read stays a small one.
ORDERS_SHOWN = 20_000
SHIPPED_AFTER_SECONDS = 60

FIRST_NAMES = ("Ada", "Björn", "Chloé", "Dario", "Emine", "Farid", "Greta", "Hiro", "Ines", "Jonas", "Kamila")
LAST_NAMES = ("Abel", "Brandt", "Castillo", "Demir", "Eriksen", "Fischer", "García", "Haas", "Ito")
CITIES = (("Graz", "AT"), ("Lyon", "FR"), ("Malmö", "SE"), ("Porto", "PT"), ("Turin", "IT"), ("Utrecht", "NL"))
THINGS = ("Lamp", "Kettle", "Chair", "Notebook", "Backpack", "Clock", "Blanket", "Mug")
COLOURS = ("black", "white", "red", "green", "blue")
REASONS = ("damaged", "too late", "wrong size", "changed mind")


def last_order(now: datetime) -> int:
    """The number of the newest order at `now`."""
    return int((now - OPENED).total_seconds() * ORDERS_PER_SECOND)


def first_order(now: datetime) -> int:
    """The number of the oldest order that is still shown."""
    return max(1, last_order(now) - ORDERS_SHOWN + 1)


def ordered_at(number: int) -> datetime:
    """When an order came in."""
    return OPENED + timedelta(seconds=number / ORDERS_PER_SECOND)


def order_changed_at(number: int, now: datetime) -> datetime:
    """When an order was last changed: every tenth is shipped after a minute."""
    shipped = ordered_at(number) + timedelta(seconds=SHIPPED_AFTER_SECONDS)
    return shipped if number % 10 == 0 and shipped <= now else ordered_at(number)


def order(number: int, now: datetime) -> Record:
    """One order, as it stands at `now`."""
    changed = order_changed_at(number, now)
    product, quantity = number * 7 % PRODUCTS + 1, number % 4 + 1
    city, country = CITIES[number % len(CITIES)]
    record: Record = {
        "id": number,
        "number": f"SO-{number}",
        "customer_id": number * 31 % CUSTOMERS + 1,
        "status": "shipped" if changed != ordered_at(number) else "paid",
        "currency": "EUR",
        "amount": round(quantity * price(product) + 4.9, 2),
        "items": [{"product_id": product, "quantity": quantity, "price": price(product)}],
        "ship_to": {"city": city, "country": country},
        "note": "gift wrap" if number % 13 == 0 else None,
        "created_at": written(ordered_at(number)),
        "updated_at": written(changed),
    }
    return spoilt(record, number, text="amount", missing="amount", moment="created_at")


def customer(number: int) -> Record:
    """One customer."""
    first, last = FIRST_NAMES[number % len(FIRST_NAMES)], LAST_NAMES[number * 5 % len(LAST_NAMES)]
    city, country = CITIES[number * 3 % len(CITIES)]
    record: Record = {
        "id": number,
        "name": f"{first} {last}",
        "email": f"customer{number}@shop.example",
        "city": city,
        "country": country,
        "loyalty_points": number * 37 % 1000,
        "newsletter": number % 3 == 0,
        "signed_up_at": written(OPENED - timedelta(hours=number)),
    }
    return spoilt(record, number, text="loyalty_points", missing="email", moment="signed_up_at")


def product(number: int) -> Record:
    """One product."""
    record: Record = {
        "id": number,
        "sku": f"P-{number:05d}",
        "title": f"{THINGS[number % len(THINGS)]}, {COLOURS[number % len(COLOURS)]}",
        "price": price(number),
        "stock": number * 53 % 240,
        "tags": [COLOURS[number % len(COLOURS)], "sale" if number % 9 == 0 else "regular"],
        "listed_on": (OPENED - timedelta(days=number)).date().isoformat(),
    }
    return spoilt(record, number, text="price", missing="sku", moment="listed_on")


def refund(number: int) -> Record:
    """One refund."""
    record: Record = {
        "id": number,
        "order_id": number * 11 + 100,
        "amount": round(price(number % PRODUCTS + 1) / 2, 2),
        "reason": REASONS[number % len(REASONS)],
        "approved": number % 5 != 0,
        "refunded_at": written(OPENED + timedelta(minutes=number * 17)),
    }
    return spoilt(record, number, text="amount", missing="amount", moment="refunded_at")


def price(number: int) -> float:
    """What a product costs."""
    return round(5 + number * 137 % 9500 / 100, 2)


def spoilt(record: Record, number: int, *, text: str, missing: str, moment: str) -> Record:
    """The record, or where its number says so one with a wrong type, a missing field or a malformed date."""
    if number % BAD_EVERY:
        return record
    kind = number // BAD_EVERY % 3
    if kind == 0:
        return {**record, text: "on request"}
    if kind == 1:
        return {name: value for name, value in record.items() if name != missing}
    return {**record, moment: "the day before yesterday"}


def written(moment: datetime) -> str:
    """A time as the shop writes it."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


def bulk_page(number: int, size: int, last: int) -> bytes:
    """A page of plain records of ten columns, as JSON, with the number of the page that follows."""
    first = (number - 1) * size + 1
    rows = ",".join(
        f'{{"id":{n},"name":"record {n}","city":"{CITIES[n % 6][0]}","quantity":{n % 17},"price":{n % 9973}.25,'
        f'"share":0.{n % 1000:03d},"active":{"true" if n % 2 else "false"},'
        f'"day":"2025-{n % 12 + 1:02d}-{n % 28 + 1:02d}",'
        f'"changed_at":"2025-{n % 12 + 1:02d}-{n % 28 + 1:02d}T{n % 24:02d}:{n % 60:02d}:00Z","note":"n{n % 100}"}}'
        for n in range(first, min(first + size, last + 1))
    )
    following = number + 1 if first + size <= last else "null"
    return f'{{"data":[{rows}],"total":{last},"next":{following}}}'.encode()
