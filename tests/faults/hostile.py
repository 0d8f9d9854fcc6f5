"""A destination that behaves badly on purpose: an HTTP server that stores records durably and fails by a schedule.

    python -m tests.faults.hostile --store hostile.sqlite3 --seed 7 --share 0.3 --faults 429,500_after,close_after

prints one line of JSON, {"port": ..., "pid": ...}, and serves on loopback until it is ended. Every POST, PUT or PATCH
stores the records of its body (an object, a list, or {"items": [...]}), each with a field `id` that is not negative:

- with an `Idempotency-Key` header each key is stored once; a repetition gets the first answer again, another body 422;
- at a path below `/versioned` only the highest `version` (a field, or the header `X-Version`) of an id is kept;
- else everything is appended. Every arrival that was stored is remembered in all three cases.

`GET /_contents` gives what a consumer sees, `GET /_report` the requests and the faults that really happened,
`PUT /_faults` takes a list of faults for the next requests, before the seeded ones.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import socket
import sqlite3
import struct
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

# What a fault is called: before or after the records are stored, and what the client sees.
FAULTS = (
    "429",  # asked to wait, nothing is stored
    "503",  # asked to wait, nothing is stored
    "500_before",
    "500_after",
    "close_before",
    "close_after",  # the connection is reset without an answer
    "delay",  # stored, and answered late
    "subset",  # 207: some records are refused, and are not stored
    "busy",  # 207: every second record is put off with 429, and is not stored
    "stumble",  # 207: every second record is answered 503, and is stored
    "lie",  # stored, but the answer counts one result too few
    "shuffle",  # stored; the results come in another order
    "drop",  # answered as stored, and one record is not
)
DELAY_SECONDS = 0.3
RETRY_AFTER_SECONDS = "1"
_TABLES = """
CREATE TABLE IF NOT EXISTS arrivals (seq INTEGER PRIMARY KEY, id TEXT, version INTEGER, key TEXT, body TEXT);
CREATE TABLE IF NOT EXISTS current (id TEXT PRIMARY KEY, version INTEGER, body TEXT);
CREATE TABLE IF NOT EXISTS answers (key TEXT PRIMARY KEY, digest TEXT, status INTEGER, answer TEXT);
"""


@dataclass(frozen=True)
class Incoming:
    """One request with records."""

    path: str
    key: str
    version: str
    body: bytes
    records: list[dict[str, Any]]

    @property
    def is_versioned(self) -> bool:
        return self.path.startswith("/versioned")


class Store:
    """The records that arrived, in a SQLite file (or memory); what is stored is durable before it is answered."""

    def __init__(self, path: str = ":memory:") -> None:
        self._lock = threading.Lock()
        self._database = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._database.executescript(_TABLES)

    def close(self) -> None:
        self._database.close()

    def answered(self, incoming: Incoming) -> tuple[int, Any] | None:
        """The answer that this key got before; 422 where it came with another body."""
        with self._lock:
            row = self._database.execute(
                "SELECT digest, status, answer FROM answers WHERE key = ?", (incoming.key,)
            ).fetchone()
        if not incoming.key or row is None:
            return None
        if row[0] != _digest(incoming.body):
            return 422, {"error": "this key was used with another body"}
        return row[1], json.loads(row[2])

    def take(self, incoming: Incoming, records: Sequence[dict[str, Any]], status: int, answer: Any) -> None:
        """Store records and the answer to their key in one transaction."""
        with self._lock, self._transaction():
            for record in records:
                self._store(incoming, record)
            if incoming.key:
                self._database.execute(
                    "INSERT INTO answers VALUES (?, ?, ?, ?)",
                    (incoming.key, _digest(incoming.body), status, json.dumps(answer)),
                )

    def contents(self) -> list[dict[str, Any]]:
        """What a consumer sees, in order of arrival."""
        with self._lock:
            rows = self._database.execute(
                "SELECT body FROM current UNION ALL"
                " SELECT body FROM (SELECT body FROM arrivals WHERE version IS NULL ORDER BY seq)"
            ).fetchall()
        return [json.loads(body) for (body,) in rows]

    def arrivals(self) -> int:
        with self._lock:
            return int(self._database.execute("SELECT count(*) FROM arrivals").fetchone()[0])

    def _store(self, incoming: Incoming, record: dict[str, Any]) -> None:
        name, body = str(record.get("id")), json.dumps(record)
        version = int(incoming.version or record["version"]) if incoming.is_versioned else None
        self._database.execute(
            "INSERT INTO arrivals (id, version, key, body) VALUES (?, ?, ?, ?)", (name, version, incoming.key, body)
        )
        if incoming.is_versioned:
            self._database.execute(
                "INSERT INTO current VALUES (?, ?, ?) ON CONFLICT (id) DO UPDATE SET version = excluded.version,"
                " body = excluded.body WHERE excluded.version > current.version",
                (name, version, body),
            )

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._database.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._database.execute("ROLLBACK")
            raise
        self._database.execute("COMMIT")


class Schedule:
    """Which fault the next request meets: first those that were asked for, then by seed and share."""

    def __init__(self, faults: Sequence[str] = (), *, share: float = 0.0, seed: int = 0) -> None:
        self._random = random.Random(seed)
        self._faults, self._share = tuple(faults), share
        self._asked: list[str] = []
        self._lock = threading.Lock()
        self.happened: Counter[str] = Counter()

    def ask(self, faults: Sequence[str]) -> None:
        """Let the next requests meet these faults, "" for none."""
        unknown = set(faults) - {"", *FAULTS}
        if unknown:
            raise ValueError(f"no such faults: {sorted(unknown)}")
        with self._lock:
            self._asked += faults

    def next(self) -> str:
        with self._lock:
            self.happened["requests"] += 1
            if self._asked:
                fault = self._asked.pop(0)
            else:
                strikes = self._faults and self._random.random() < self._share
                fault = self._random.choice(self._faults) if strikes else ""
            self.happened[fault or "none"] += 1
            return fault

    def chooses(self) -> bool:
        """A coin for each record of a partly accepted batch."""
        with self._lock:
            return self._random.random() < 0.5


class HostileServer(ThreadingHTTPServer):
    """The server, its store and its schedule; on a free port of loopback."""

    daemon_threads = True

    def __init__(self, store: Store, schedule: Schedule, port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.store, self.schedule = store, schedule

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away in the middle is what the tests do."""


@contextmanager
def hostile(
    faults: Sequence[str] = (), *, share: float = 0.0, seed: int = 0, path: str = ":memory:"
) -> Iterator[HostileServer]:
    """Serve in a thread of this process."""
    store = Store(path)
    server = HostileServer(store, Schedule(faults, share=share, seed=seed))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
        store.close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: HostileServer

    def do_GET(self) -> None:
        answers: dict[str, Any] = {
            "/_contents": self.server.store.contents,
            "/_report": lambda: {**self.server.schedule.happened, "arrivals": self.server.store.arrivals()},
        }
        self._answer(200, answers.get(self.path, list)())

    def do_OPTIONS(self) -> None:
        self._answer(204, None)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        if self.path == "/_faults":
            self.server.schedule.ask(json.loads(body))
            return self._answer(200, {})
        key, version = self.headers.get("idempotency-key", ""), self.headers.get("x-version", "")
        return self._take(Incoming(self.path, key, version, body, _records_of(json.loads(body))))

    do_PUT = do_POST  # noqa: N815 - http.server finds methods by these names
    do_PATCH = do_POST  # noqa: N815 - as above

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - http.server's signature
        """Tests read `_report`."""

    def _take(self, incoming: Incoming) -> None:
        fault, store = self.server.schedule.next(), self.server.store
        if fault in {"429", "503"}:
            return self._answer(int(fault), {"error": "slow down"}, retry_after=RETRY_AFTER_SECONDS)
        if fault == "500_before":
            return self._answer(500, {"error": "before"})
        if fault == "close_before":
            return self._reset()
        known = store.answered(incoming)
        status, answer = known or self._stored(incoming, fault)
        return self._say(fault, status, answer)

    def _say(self, fault: str, status: int, answer: Any) -> None:
        if fault == "delay":
            time.sleep(DELAY_SECONDS)
        if fault == "500_after":
            return self._answer(500, {"error": "after"})
        if fault == "close_after":
            return self._reset()
        results = answer.get("results", [])
        if fault == "lie":
            answer = {**answer, "results": results[1:]}
        if fault == "shuffle":
            answer = {**answer, "results": results[::-1]}
        return self._answer(status, answer)

    def _stored(self, incoming: Incoming, fault: str) -> tuple[int, Any]:
        """Store what is accepted; the status and the answer."""
        statuses = [self._status(place, record, fault) for place, record in enumerate(incoming.records)]
        results = [
            {"index": place, "id": record.get("id"), "status": status}
            | ({} if status == 201 else {"error": f"record {record.get('id')} is not liked"})
            for place, (record, status) in enumerate(zip(incoming.records, statuses, strict=True))
        ]
        kept = [record for record, status in zip(incoming.records, statuses, strict=True) if status in (201, 503)]
        accepted = statuses.count(201)
        status, answer = (200 if accepted == len(statuses) else 207), {"results": results, "accepted": accepted}
        self.server.store.take(incoming, kept[1:] if fault == "drop" else kept, status, answer)
        return status, answer

    def _status(self, place: int, record: dict[str, Any], fault: str) -> int:
        """What becomes of one record: 201 stored, 422 refused, 429 put off, 503 stored and said to have failed."""
        if not _is_liked(record) or (fault == "subset" and not self.server.schedule.chooses()):
            return 422
        return {"busy": 429, "stumble": 503}.get(fault, 201) if place % 2 else 201

    def _answer(self, status: int, answer: Any, *, retry_after: str = "") -> None:
        body = b"" if answer is None else json.dumps(answer).encode()
        self.send_response(status)
        if body:
            self.send_header("Content-Type", "application/json")
        if status != 204:
            self.send_header("Content-Length", str(len(body)))
        if retry_after:
            self.send_header("Retry-After", retry_after)
        self.end_headers()
        self.wfile.write(body)

    def _reset(self) -> None:
        """End the connection without an answer, by a reset."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True
        self.connection.close()


def _records_of(body: Any) -> list[dict[str, Any]]:
    if isinstance(body, dict) and isinstance(body.get("items"), list):
        body = body["items"]
    return body if isinstance(body, list) else [body]


def _is_liked(record: dict[str, Any]) -> bool:
    """A negative id is always refused."""
    number = record.get("id")
    return not isinstance(number, int) or number >= 0


def _digest(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()


def main() -> None:
    """Serve as a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--store", default=":memory:")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--share", type=float, default=0.0)
    parser.add_argument("--faults", default="")
    given = parser.parse_args()
    schedule = Schedule([fault for fault in given.faults.split(",") if fault], share=given.share, seed=given.seed)
    server = HostileServer(Store(given.store), schedule, given.port)
    print(json.dumps({"port": server.server_address[1], "pid": os.getpid()}), flush=True)  # noqa: T201 - its interface
    server.serve_forever()


if __name__ == "__main__":
    main()
