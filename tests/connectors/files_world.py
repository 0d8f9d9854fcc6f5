"""A folder with files, and the files connector over it."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any

from integrations.connectors.base import (
    Batch,
    CheckResult,
    Commit,
    Context,
    ReadRequest,
    Stream,
    WriteMode,
    WriteRequest,
)
from integrations.connectors.files import FilesConnector
from tests.connectors.conformance import Rows


def connector(folder: Path, form: str = "csv", **settings: object) -> FilesConnector:
    return FilesConnector(Context({"format": form, **settings}, file_root=str(folder)))


def put(folder: Path, name: str, data: bytes) -> Path:
    path = folder / name
    path.write_bytes(data)
    return path


def batches(
    folder: Path, name: str, form: str = "csv", *, request: dict[str, Any] | None = None, **settings: object
) -> list[Batch]:
    with closing(connector(folder, form, **settings)) as made:
        return list(made.read(ReadRequest(name, **(request or {}))))


def rows(found: list[Batch]) -> Rows:
    return [row for batch in found for row in batch.records.to_pylist()]


def bad(found: list[Batch]) -> list[tuple[str, str]]:
    return [(record.raw, record.reason) for batch in found for record in batch.bad]


def streams(folder: Path, form: str = "csv", **settings: object) -> dict[str, Stream]:
    with closing(connector(folder, form, **settings)) as made:
        return {stream.name: stream for stream in made.discover()}


def types(folder: Path, name: str, form: str = "csv", **settings: object) -> dict[str, str]:
    schema = streams(folder, form, **settings)[name].schema
    assert schema is not None
    return {field.name: str(field.type) for field in (schema.field(n) for n in range(len(schema)))}


def checked(folder: Path, form: str = "csv", **settings: object) -> CheckResult:
    with closing(connector(folder, form, **settings)) as made:
        return made.check()


def commit(number: int, run: str = "run-1") -> Commit:
    return Commit(run, number, {"n": number})


def write_request(name: str, schema: Any, fence: int = 1, **given: Any) -> WriteRequest:  # any schema, any field
    return WriteRequest(
        **{"stream": name, "schema": schema, "mode": WriteMode.APPEND, "key": (), "owner": "d", "fence": fence, **given}
    )
