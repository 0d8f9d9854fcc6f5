"""Takes hostile answers one after the other in a process of its own, and prints what each did to its memory.

python -m tests.egress.taking http://127.0.0.1:9000 endless gzip-30-mb
"""

from __future__ import annotations

import json
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import Any

from accounts.errors import SignalboxError
from integrations.connectors.base import Context, Limits, ReadRequest
from integrations.connectors.rest_api import RestApiConnector

# The deadline of an answer is the time to connect and four times the time to read.
LIMITS = Limits(connect_timeout_seconds=0.5, read_timeout_seconds=0.5, attempts=1, max_answer_bytes=32 * 1024 * 1024)
STATUS, RESET = Path("/proc/self/status"), Path("/proc/self/clear_refs")


def kilobytes(name: str) -> int:
    """A figure of this process: VmRSS now, VmHWM at its highest since it was reset."""
    line = next(line for line in STATUS.read_text().splitlines() if line.startswith(f"{name}:"))
    return int(line.split()[1])


def take(server: str, name: str) -> dict[str, Any]:
    """Read the stream whose path is the answer's name, as a check does and as a run does."""
    stream = {"name": "items", "path": f"/{name}", "primary_key": ["a"]}
    context = Context(
        {"base_url": server, "streams": [stream]}, limits=LIMITS, egress_allow=(server.partition("://")[2],)
    )
    RESET.write_text("5")
    before, began = kilobytes("VmRSS"), time.monotonic()
    with closing(RestApiConnector(context)) as connector:
        checked = connector.check().code
        codes = [checked, _read(connector)]
    return {
        "name": name,
        "codes": codes,
        "megabytes": round((kilobytes("VmHWM") - before) / 1024, 1),
        "seconds": round(time.monotonic() - began, 2),
    }


def _read(connector: RestApiConnector) -> str:
    """The code by which the reading ends, or that of the first record that was set aside."""
    try:
        bad = [record.code for batch in connector.read(ReadRequest("items")) for record in batch.bad]
    except SignalboxError as error:
        return error.code
    return bad[0] if bad else ""


def main() -> None:
    """Warm up with an honest answer, so that what is imported once is not counted."""
    server, *names = sys.argv[1:]
    take(server, "honest")
    for name in names:
        print(json.dumps(take(server, name)), flush=True)  # noqa: T201 - the answer to the parent


if __name__ == "__main__":
    main()
