"""Makes the records that every case moves: ten columns of integers, decimals, dates, times and strings."""

from __future__ import annotations

from pathlib import Path

import duckdb

TABLE = """CREATE TABLE {name} (
    id bigint PRIMARY KEY, customer bigint, name text, city text, quantity bigint, price double precision,
    discount double precision, active boolean, ordered_on date, changed_at timestamptz)"""
COLUMNS = ("id", "customer", "name", "city", "quantity", "price", "discount", "active", "ordered_on", "changed_at")
# What "equal" means: the number of rows, and sums over every column that one wrong value would change.
CHECKSUM = """SELECT count(*), sum(id), sum(customer), sum(length(name)), sum(length(upper(city))), sum(quantity),
    round(sum(price)::numeric, 2), round(sum(discount)::numeric, 2), count(*) FILTER (WHERE active),
    sum(ordered_on - date '2020-01-01'), round(sum(extract(epoch FROM changed_at))::numeric, 0) FROM {name}"""
_RECORDS = """
    SELECT i AS id, i * 31 % 99991 AS customer, 'record number ' || i AS name,
        (['Graz', 'Lyon', 'Malmö', 'Porto', 'Turin', 'Utrecht'])[i % 6 + 1] AS city, i % 17 AS quantity,
        (i * 137 % 1000000) / 100 AS price, (i % 1000) / 1000 AS discount, i % 2 = 0 AS active,
        date '2020-01-01' + CAST(i % 2000 AS INTEGER) AS ordered_on,
        strftime(make_timestamp((1577836800 + i * 13) * 1000000), '%Y-%m-%dT%H:%M:%SZ') AS changed_at
    FROM range({rows}) AS numbers(i)"""


def write_csv(path: Path, rows: int) -> None:
    """The records as a CSV file with a header; the same for ever by their number."""
    with duckdb.connect() as connection:
        connection.execute(f"COPY ({_RECORDS.format(rows=rows)}) TO '{path}' (HEADER, DELIMITER ',')")
