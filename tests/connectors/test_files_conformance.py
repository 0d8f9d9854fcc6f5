"""The files connector passes the conformance suite, in each of its formats."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from integrations.connectors.base import Context, ReadRequest
from integrations.connectors.files import FilesConnector
from integrations.errors import FILE_OUTSIDE_ROOT, FILE_UNREADABLE, SETTINGS_INVALID, STREAM_MISSING
from tests.connectors.conformance import Broken, Destination, Rows, Source, conformance

ROWS: Rows = [
    {"id": n, "name": f'na"me,\n{n}' if n % 3 else f"näme {n}", "price": n / 2, "ok": n % 2 == 0} for n in range(50)
]


def as_csv(rows: Rows) -> bytes:
    lines = ["id,name,price,ok"]
    for row in rows:
        name = row["name"].replace('"', '""')
        lines.append(f'{row["id"]},"{name}",{row["price"]},{str(row["ok"]).lower()}')
    return "\r\n".join(lines).encode() + b"\r\n"


def as_json(rows: Rows) -> bytes:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()


def context(folder: Path, form: str, **settings: object) -> Context:
    return Context({"format": form, **settings}, file_root=str(folder))


def text_source(form: str, name: str, content: Callable[[Rows], bytes], **settings: object) -> Callable[..., Source]:
    def make(request: pytest.FixtureRequest) -> Source:
        folder: Path = request.getfixturevalue("tmp_path")
        data = content(ROWS)
        (folder / name).write_bytes(gzip.compress(data) if name.endswith(".gz") else data)

        def more() -> Rows:
            added = [{"id": 50, "name": "new", "price": 1.5, "ok": True}]
            grown = content(ROWS + added)
            (folder / name).write_bytes(gzip.compress(grown) if name.endswith(".gz") else grown)
            return added

        cuts = not name.endswith(".gz") and settings.get("encoding") != "utf-16"
        return Source(context(folder, form, **settings), name, ROWS, cursor_field="_file", more=more, cuts=cuts)

    return make


def glob_source(request: pytest.FixtureRequest) -> Source:
    folder: Path = request.getfixturevalue("tmp_path")
    for number in range(5):
        (folder / f"part-{number}.csv").write_bytes(as_csv(ROWS[number * 10 : number * 10 + 10]))

    def more() -> Rows:
        (folder / "part-00.csv").write_bytes(as_csv(ROWS[:2]))
        return ROWS[:2]

    return Source(
        context(folder, "csv", pattern="part-*.csv"), "part-*.csv", ROWS, cursor_field="_file", more=more, cuts=True
    )


def parquet_source(request: pytest.FixtureRequest) -> Source:
    folder: Path = request.getfixturevalue("tmp_path")
    pq.write_table(pa.Table.from_pylist(ROWS), folder / "rows.parquet", row_group_size=20)
    return Source(context(folder, "parquet"), "rows.parquet", ROWS, batch_bytes=10_000, cursor_field="_file", cuts=True)


def bad_rows_source(request: pytest.FixtureRequest) -> Source:
    folder: Path = request.getfixturevalue("tmp_path")
    lines = as_csv(ROWS).replace(b"\r\n7,", b"\r\nseven,").replace(b"\r\n30,", b"\r\n30,30,").replace(b",49", b",x49")
    (folder / "rows.csv").write_bytes(lines + b'99,"never closed')
    good = [row for row in ROWS if row["id"] not in {7, 30}]
    return Source(context(folder, "csv"), "rows.csv", good, bad=3, schema=pa.Table.from_pylist(ROWS).schema, cuts=True)


def destination(form: str, name: str, read: Callable[[Path], Rows], **settings: object) -> Callable[..., Destination]:
    def make(request: pytest.FixtureRequest) -> Destination:
        folder: Path = request.getfixturevalue("tmp_path")

        def contents() -> Rows:
            return [row for path in sorted(folder.glob("out-*")) for row in read(path)]

        return Destination(context(folder, form, **settings), name, contents)

    return make


def read_back(form: str, **settings: object) -> Callable[[Path], Rows]:
    def read(path: Path) -> Rows:
        connector = FilesConnector(context(path.parent, form, **settings))
        rows = [r for batch in connector.read(ReadRequest(path.name)) for r in batch.records.to_pylist()]
        connector.close()
        return rows

    return read


def broken_file(data: bytes, **settings: object) -> Callable[..., Broken]:
    def make(request: pytest.FixtureRequest) -> Broken:
        folder: Path = request.getfixturevalue("tmp_path")
        (folder / "x.csv").write_bytes(data)
        return Broken(
            Context({"format": "csv", **settings}, file_root=str(folder)), frozenset({FILE_UNREADABLE}), "x.csv"
        )

    return make


def broken_setting(code: str, **settings: object) -> Callable[..., Broken]:
    def make(request: pytest.FixtureRequest) -> Broken:
        folder: Path = request.getfixturevalue("tmp_path")
        return Broken(Context({"format": "csv", **settings}, file_root=str(folder)), frozenset({code}), "x.csv")

    return make


TestFiles = conformance(
    FilesConnector,
    sources={
        "csv": text_source("csv", "rows.csv", as_csv),
        "csv.gz": text_source("csv", "rows.csv.gz", as_csv),
        "csv utf-16": text_source(
            "csv", "rows.csv", lambda rows: as_csv(rows).decode().encode("utf-16"), encoding="utf-16"
        ),
        "csv latin-1": text_source(
            "csv", "rows.csv", lambda rows: as_csv(rows).decode().encode("latin-1"), encoding="latin-1"
        ),
        "csv with bad records": bad_rows_source,
        "csv pattern": glob_source,
        "jsonl": text_source("jsonl", "rows.jsonl", as_json),
        "jsonl.gz": text_source("jsonl", "rows.jsonl.gz", as_json),
        "parquet": parquet_source,
    },
    destinations={
        "csv": destination("csv", "out.csv", read_back("csv")),
        "csv.gz": destination("csv", "out.csv.gz", read_back("csv")),
        "jsonl": destination("jsonl", "out.jsonl", read_back("jsonl")),
        "parquet": destination("parquet", "out.parquet", read_back("parquet")),
    },
    broken={
        "a web page": broken_file(b"<!DOCTYPE html><html></html>"),
        "an empty file with a header declared": broken_file(b""),
        "binary": broken_file(b"a,b\n\0\1\2,3\n"),
        "wrong encoding": broken_file("a,b\nnäme,1\n".encode("latin-1")),
        "JSON as CSV": broken_file(b'{"a": 1}\n'),
        "a list as JSON Lines": broken_file(b'[{"a": 1}]', format="jsonl"),
        "text as Parquet": broken_file(b"a,b\n1,2\n", format="parquet"),
        "numbers for a header": broken_file(b"1,2\n3,4\n"),
        "two columns of one name": broken_file(b"a,a\n3,4\n"),
        "an unknown setting": broken_setting(SETTINGS_INVALID, colour="red"),
        "a wrong choice": broken_setting(SETTINGS_INVALID, delimiter="x"),
        "a missing folder": broken_setting(STREAM_MISSING, path="nowhere"),
        "a folder above": broken_setting(FILE_OUTSIDE_ROOT, path="../other"),
    },
)
