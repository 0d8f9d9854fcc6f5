"""What lies on the disk and in the queue: nobody else reads the files, and nothing but JSON is taken from messages."""

from __future__ import annotations

import base64
import json
import os
import pickle
import re
import stat
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from kombu.exceptions import ContentDisallowed

from config import secrets
from config.celery import app
from config.header_limits import MOST_BYTES_OF_ONE
from integrations.domain.mapping import FieldRule, FieldType, Mapping
from integrations.pipeline.mapper import Mapper
from tests.index import PROJECT
from tests.security.source import modules, name_of

# A process that begins under the loosest of masks, and makes what every process of ours makes.
_START = """
import os
os.umask(0)
import django
django.setup()
from django.db import connection
from config.celery import app
with connection.cursor() as cursor:
    cursor.execute("CREATE TABLE t (a text)")
    cursor.execute("INSERT INTO t VALUES ('x')")
from django.conf import settings
with app.connection_for_write() as broker:
    app.send_task("x", args=["1"], connection=broker, ignore_result=True)
"""


@pytest.mark.security("SEC-144")
def test_no_file_of_ours_is_for_everybody(tmp_path: Path) -> None:
    data = tmp_path / "data"
    known = {name: value for name, value in os.environ.items() if name not in secrets.GENERATORS}
    environment = {**known, "SIGNALBOX_DATA": str(data), "DJANGO_SETTINGS_MODULE": "config.settings"}
    subprocess.run([sys.executable, "-c", _START], cwd=PROJECT, env=environment, check=True, timeout=120)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in [data, *data.rglob("*")]}
    assert {"secrets.env", "signalbox.sqlite3", "queues"} <= modes.keys()
    assert {name: oct(mode) for name, mode in modes.items() if mode & 0o027} == {}
    assert modes["secrets.env"] == 0o600


class Planted:
    """Unpickled, it would run a command."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


@pytest.mark.security("SEC-007")
@pytest.mark.parametrize("kind", ["application/x-python-serialize", "application/x-yaml", "pickle"])
def test_a_message_that_is_no_json_is_refused_unread(tmp_path: Path, kind: str) -> None:
    body = base64.b64encode(pickle.dumps(((Planted(tmp_path / "ran"),), {}, {}))).decode()
    with app.connection_for_write(transport_options={"folder": str(tmp_path)}) as connection:
        channel: Any = connection.channel()
        consumer = app.amqp.TaskConsumer(channel)
        queue = consumer.queues[0]
        properties = {
            "delivery_mode": 2,
            "delivery_info": {"exchange": "", "routing_key": queue.name},
            "delivery_tag": "1",
        }
        message = {"body": body, "content-type": kind, "content-encoding": "binary", "headers": {}}
        channel._put(queue.name, {**message, "properties": {**properties, "body_encoding": "base64"}})
        found: Any = queue.bind(channel).get(accept=list(consumer.accept or ()))
        with pytest.raises(ContentDisallowed):
            found.decode()
    assert consumer.accept == {"application/json"}
    assert not (tmp_path / "ran").exists()


@pytest.mark.security("SEC-007")
def test_the_same_message_would_run_where_it_is_taken(tmp_path: Path) -> None:
    pickle.loads(pickle.dumps(Planted(tmp_path / "ran")))  # noqa: S301 - that is what it shows
    assert (tmp_path / "ran").exists()


@pytest.mark.security("SEC-008")
def test_there_is_no_backend_whose_word_could_count() -> None:
    assert type(app.backend).__name__ == "DisabledBackend"
    assert not app.conf.result_backend
    app.loader.import_default_modules()
    ours = [task for name, task in app.tasks.items() if not name.startswith("celery.")]
    assert all(task.ignore_result for task in ours)


# --- patterns that take for ever ---------------------------------------------------------------------------------
UNITS = [
    "a",
    " ",
    "0",
    "-",
    ".",
    "/",
    ":",
    "@",
    "\n",
    "a ",
    "a.",
    "0,",
    "a-",
    "://",
    "Bearer ",
    "\\",
    '"',
    "'",
    "[",
    "{",
    "é",
]
ENDS = ["!", "@"]


def own_patterns() -> list[tuple[str, re.Pattern[Any]]]:
    """Each pattern that a module of ours keeps."""
    found = []
    for path in modules():
        name = name_of(path).removesuffix(".py").replace("/", ".").removesuffix(".__init__")
        module = sys.modules.get(name)
        kept = vars(module).items() if module else ()
        found += [(f"{name}.{key}", value) for key, value in kept if isinstance(value, re.Pattern)]
    return found


def slowest(pattern: re.Pattern[Any], size: int) -> float:
    """Seconds of processor time that the worst of the attack texts takes."""
    worst = 0.0
    for unit in UNITS:
        for end in ENDS:
            text = unit * (size // len(unit)) + end
            subject = text.encode() if isinstance(pattern.pattern, bytes) else text
            for act in (pattern.search, pattern.fullmatch):
                started = time.process_time()
                act(subject)
                worst = max(worst, time.process_time() - started)
    return worst


@pytest.mark.security("SEC-096")
@pytest.mark.parametrize(("name", "pattern"), own_patterns(), ids=lambda value: value if isinstance(value, str) else "")
def test_a_pattern_of_ours_reads_a_long_text_soon(name: str, pattern: re.Pattern[Any]) -> None:
    assert slowest(pattern, 1_000) < 0.02
    assert slowest(pattern, 20_000) < 0.1


def test_a_pattern_that_goes_back_and_forth_is_noticed() -> None:
    assert slowest(re.compile(r"a*a*!x"), 1_000) > 0.02


@pytest.mark.security("SEC-096")
@pytest.mark.parametrize("pattern", ["(a+)+$", "(a|a)*b", "(.*)*x", "([a-z]+)*!", "^(([a-z])+.)+[A-Z]([a-z])+$"])
def test_a_pattern_of_a_user_runs_in_linear_time(pattern: str) -> None:
    batch = pa.record_batch({"a": ["a" * 100_000 + "!"]})
    rule = FieldRule("x", f"regexp_matches(a, '{pattern}')", FieldType.BOOLEAN)
    # The mapper gives up after this; a pattern that goes back and forth would take years.
    with Mapper(Mapping((rule,)), batch.schema, timeout_seconds=5) as mapper:
        assert mapper.map(batch).accepted.num_rows == 1


HEADERS = (
    *("Accept", "Accept-Language", "Accept-Encoding", "Authorization", "Cookie", "Content-Type", "Origin", "Referer"),
    *("X-Request-Id", "Traceparent", "X-Forwarded-For", "Forwarded", "HX-Request", "HX-Target", "HX-Current-URL"),
    "If-None-Match",
)


@pytest.mark.security("SEC-096")
@pytest.mark.parametrize("unit", ["a", ",", ";", "=", " ", "a,", "q=0.1,", "/", "%", "text/html;q=0.1,"])
def test_a_header_as_long_as_is_let_in_crashes_nothing(client: Any, db: None, unit: str) -> None:
    value = unit * (8_000 // len(unit))
    assert len(value) < MOST_BYTES_OF_ONE
    for name in HEADERS:
        for path in ("/accounts/login/", "/api/v1/me/", "/w/acme/"):
            assert client.get(path, headers={name: value}).status_code < 500, name


@pytest.mark.security("SEC-142")
@pytest.mark.parametrize("name", ["run", "dev", "bootstrap", "frontend"])
def test_every_install_is_held_to_hashes(name: str) -> None:
    locked = (PROJECT / "deploy" / "requirements" / f"{name}.txt").read_text()
    pins = re.split(r"^(?=[A-Za-z0-9])", locked, flags=re.MULTILINE)[1:]
    assert pins
    assert [pin[:60] for pin in pins if "==" not in pin or "--hash=sha256:" not in pin] == []
    assert not re.search(r"^(-e |git\+|https?:|--trusted-host|--extra-index)", locked, re.MULTILINE)


@pytest.mark.security("SEC-142")
def test_no_install_of_the_makefile_goes_without_its_hashes() -> None:
    makefile = (PROJECT / "Makefile").read_text()
    installs = [
        line for line in makefile.splitlines() if "pip install" in line or "npm install" in line or "npm ci" in line
    ]
    assert [line for line in installs if "--require-hashes" not in line and "npm ci --ignore-scripts" not in line] == []
    packages = json.loads((PROJECT / "static" / "package-lock.json").read_text())["packages"]
    assert [name for name, package in packages.items() if name and "integrity" not in package] == []
