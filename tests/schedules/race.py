"""The product's web process over one database, and many requests at one moment."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.schedules.crew import PROJECT, environment_for
from tests.servers import free_port, is_listening, stop, wait_until

AT_ONCE = 40


@dataclass(frozen=True)
class Web:
    """A web process, and the token and ids of what a test asks for."""

    port: int
    made: dict[str, str]

    def post(self, path: str, body: dict[str, Any]) -> int:
        """Post to the API of the workspace; the status of the answer."""
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}/api/v1/workspaces/acme/{path}",
            data=json.dumps(body).encode(),
            method="POST",
            headers={"Authorization": f"Bearer {self.made['token']}", "Content-Type": "application/json"},
        )
        try:
            with urllib.request.urlopen(request, timeout=120) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            error.read()
            return error.code

    def post_at_once(self, times: int, path: str, body: dict[str, Any]) -> Counter[int]:
        """The same request from many clients, which all begin together."""
        gate = threading.Barrier(AT_ONCE)

        def client(number: int) -> int:
            if number < AT_ONCE:
                gate.wait(30)
            return self.post(path, body)

        with ThreadPoolExecutor(AT_ONCE) as pool:
            return Counter(pool.map(client, range(times)))


@contextlib.contextmanager
def web_over(folder: Path, database_url: str) -> Iterator[Web]:
    """`manage.py web` without any worker, over a fresh database with one integration and one open dead letter."""
    port = free_port()
    environment = environment_for(folder, database_url) | {"PORT": str(port)}
    made = ""
    for command in (["manage.py", "migrate", "-v0"], ["-m", "tests.schedules.child", "race"]):
        done = subprocess.run(
            [sys.executable, *command], cwd=PROJECT, env=environment, capture_output=True, check=False
        )
        assert done.returncode == 0, done.stderr.decode()
        made = done.stdout.decode()
    with (folder / "web.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "manage.py", "web"], cwd=PROJECT, env=environment, stdout=log, stderr=subprocess.STDOUT
        )
    try:
        wait_until(lambda: process.poll() is not None or is_listening(port), "the web process to listen", 60)
        assert process.poll() is None, (folder / "web.log").read_text()
        yield Web(port, json.loads(made.splitlines()[-1]))
    finally:
        stop(process)
