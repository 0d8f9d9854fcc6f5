"""Wipes a broker with many queued runs, brings it back with workers, and measures until every run has started.

    python -m tests.faults.start wiped <number of runs> <workers>

The control plane and the broker's address come from the environment, as for the product. Prints one line of JSON.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
from pathlib import Path
from typing import Any

from celery import current_app
from django.conf import settings
from django.core.management import call_command
from django.db.models.functions import Now

from accounts.request_context import Actor, acting_as
from integrations.domain.lifecycle import RunState, Trigger
from integrations.models import Run
from integrations.services import runs
from tests.faults.kinds import FIELDS
from tests.faults.place import Place
from tests.faults.workers import crew_of

LONGEST_SECONDS = 300.0


def main(arguments: list[str]) -> None:
    """Queue the runs, wipe the broker, start the workers, and watch."""
    number, workers = int(arguments[0]), int(arguments[1])
    call_command("migrate", interactive=False, verbosity=0)
    with acting_as(Actor(system="faults")):
        _queue(number)
    sent = _messages()
    _wipe()
    folder = Path(settings.DATA_DIR) / "crew"
    folder.mkdir()
    with crew_of(folder, "broker", workers, "") as crew:
        began = time.monotonic()
        while time.monotonic() - began < LONGEST_SECONDS and Run.objects.filter(started_at=None).exists():
            crew.tend()
            time.sleep(0.1)
        started = time.monotonic() - began
        lost = Run.objects.filter(started_at=None).count()
        while time.monotonic() - began < LONGEST_SECONDS and Run.objects.exclude(state=RunState.SUCCEEDED).exists():
            crew.tend()
            time.sleep(0.1)
    result = {
        "runs": number,
        "messages_wiped": sent,
        "never_started": lost,
        "all_started_seconds": round(started, 1),
        "not_succeeded": Run.objects.exclude(state=RunState.SUCCEEDED).count(),
        "all_ended_seconds": round(time.monotonic() - began, 1),
    }
    sys.stdout.write(json.dumps(result) + "\n")


def _queue(number: int) -> None:
    """As many integrations of one record each, and a queued run of each, hinted through the broker."""
    place = Place.make("", 0)
    (place.files / "one.csv").write_text("id,value\n1,record 1\n")
    for count in range(number):
        target = place.connector(f"out {count}", "sqlite", path=f"out-{count}.sqlite3", create_file=True)
        deployment = place.join(
            f"one-{count}", place.csv_source(), "one.csv", target, "records",
            mapping={"fields": FIELDS, "filter": ""}, write_mode="append",
        )  # fmt: skip
        runs.start_run(deployment=deployment, trigger=Trigger.MANUAL)
    Run.objects.update(hinted_at=Now())


def _messages() -> int:
    with current_app.connection_for_read() as connection:
        channel: Any = connection.default_channel  # each transport has its own
        return int(channel._size("celery"))


def _wipe() -> None:
    if settings.BROKER_URL.startswith("redis"):
        with current_app.connection_for_read() as connection:
            channel: Any = connection.default_channel
            channel.client.flushall()
    else:
        shutil.rmtree(Path(os.environ["SIGNALBOX_DATA"]) / "broker")
