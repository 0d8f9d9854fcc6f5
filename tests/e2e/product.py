"""The product as its own processes, in a folder of its own, and a REST client of it."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.ops.processes import descendants, is_alive
from tests.servers import free_port, stop, wait_until

PROJECT = Path(__file__).resolve().parents[2]
SCOPES = (
    "connector.read,connector.manage,credential.read,credential.write,integration.read,integration.manage,run.read,"
    "run.start,run.cancel,run.retry,deadletter.read,deadletter.redrive,policy.read"
)
EMAIL = "owner@example.test"


@dataclass(frozen=True)
class Product:
    """A running instance: its port, data folder, the process that supervises, the admin's password, and a token."""

    port: int
    data: Path
    process: subprocess.Popen[bytes]
    environment: dict[str, str]
    password: str
    token: str = ""

    @property
    def url(self) -> str:
        return f"http://localhost:{self.port}"

    @property
    def files(self) -> Path:
        """The folder that the workspace's connectors may use."""
        return self.data / "files" / "acme"

    def call(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        """Ask the API of the workspace; an error answer fails the test with its text."""
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}/api/v1/workspaces/acme/{path}",
            data=json.dumps(body).encode() if body is not None else None,
            method=method,
            headers={"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"},
        )
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                text = answer.read()
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{method} {path}: {error.code} {error.read().decode()}") from error
        return json.loads(text) if text else None

    def shell(self, code: str) -> str:
        """Run code in the instance, as its owner; what a token may not do is done here."""
        return self.manage("shell", "-c", _AS_OWNER + "\n".join(f"    {line}" for line in code.strip().splitlines()))

    def manage(self, *arguments: str) -> str:
        """Run a management command of this instance and return what it printed."""
        done = subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=PROJECT, env=self.environment, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout

    def run_until(self, run_id: str, state: str, seconds: float = 60) -> dict[str, Any]:
        """Wait for a run's state; fail at once when it ends in another one."""
        found: dict[str, Any] = {}

        def reached() -> bool:
            found.update(self.call("GET", f"runs/{run_id}/"))
            if found["state"] in {"succeeded", "failed", "cancelled"} and found["state"] != state:
                raise AssertionError(f"the run {found['state']}: {found}")
            return bool(found["state"] == state)

        wait_until(reached, f"the run to be {state}", seconds)
        return found


@contextlib.contextmanager
def running_product(folder: Path, **settings: str) -> Iterator[Product]:
    """`manage.py up` without the demo, ready, with a workspace `acme` and a token of its owner."""
    port, log = free_port(), folder / "product.log"
    environment = {
        **{name: value for name, value in os.environ.items() if not name.endswith("_URL")},
        "PORT": str(port),
        "SIGNALBOX_DATA": str(folder / "data"),
        "SIGNALBOX_DEMO": "0",
        "SIGNALBOX_ADMIN_EMAIL": EMAIL,
        "DJANGO_SETTINGS_MODULE": "config.settings",
        **settings,
    }
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "manage.py", "up"], cwd=PROJECT, env=environment, stdout=output, stderr=subprocess.STDOUT
        )
    try:
        wait_until(lambda: process.poll() is not None or _is_ready(port), "the product to be ready")
        text = log.read_text()
        assert process.poll() is None, text
        password = text.split("One-time password (shown only now): ")[1].split()[0]
        product = Product(port, folder / "data", process, environment, password)
        product.files.mkdir(parents=True, exist_ok=True)
        product.shell('workspaces.create(name="Acme", slug="acme", owner=owner)')
        made = product.manage("token", "--email", EMAIL, "--workspace", "acme", "--scopes", SCOPES, "--json")
        yield Product(port, product.data, process, environment, password, json.loads(made.splitlines()[-1])["token"])
    finally:
        below = descendants(process.pid)
        stop(process)
        wait_until(lambda: not any(map(is_alive, below)), "every process of the product to end")


_AS_OWNER = """
from accounts.models import User, Workspace
from accounts.request_context import acting_as
from accounts.services import workspaces
from integrations.services.connectors import ConnectorInput, save_connector
from integrations.services.credentials import create_credential
owner = User.objects.get()
workspace = Workspace.objects.filter(slug="acme").first()
with acting_as(owner):
"""


def _is_ready(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=2) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False
