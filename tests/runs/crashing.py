"""A worker whose processes die by a segmentation fault: `python -m tests.runs.crashing <where> <folder>`.

Makes an instance in the folder and a run over records of which one is poison, then works it as the pool of a worker
does: each process that dies is replaced. Prints what became of the run as JSON.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import django

django.setup()

from django.core.management import call_command  # noqa: E402 - after django.setup
from django.db import connections  # noqa: E402 - after django.setup

from accounts.models import Workspace  # noqa: E402 - after django.setup
from accounts.request_context import Actor, acting_as  # noqa: E402 - after django.setup
from integrations.connectors import registry  # noqa: E402 - after django.setup
from integrations.connectors.base import Batch, Connector, ReadRequest, Writer, WriteRequest  # noqa: E402 - as above
from integrations.domain.lifecycle import ACTIVE_STATES, Trigger  # noqa: E402 - after django.setup
from integrations.models import DeadLetter, Event, Policy, Run  # noqa: E402 - after django.setup
from integrations.services import dead_letters, integrations, runs  # noqa: E402 - after django.setup
from integrations.services.connectors import ConnectorInput, file_root_of, save_connector  # noqa: E402 - as above
from integrations.services.working import work_due  # noqa: E402 - after django.setup

RECORDS, POISON, BATCH_RECORDS = 1_500, 777, 1_000
FIELDS = [{"target": "id", "expression": "id", "type": "integer", "required": True}]


def die_of(ids: list[object]) -> None:
    """End this process as a fault in a C library would."""
    if POISON in ids:
        os.kill(os.getpid(), signal.SIGSEGV)


def deadly_source(base: type[Connector]) -> type[Connector]:
    """A connector that dies while it reads the poison record."""

    class Source(base):  # type: ignore[misc, valid-type]  # a class made from the registry's
        def read(self, request: ReadRequest) -> Iterator[Batch]:
            for batch in super().read(request):
                die_of(batch.records.column("id").to_pylist())
                yield batch

    return Source


def deadly_writer(base: type[Connector]) -> type[Connector]:
    """A connector that dies while it writes the poison record."""

    class Target(base):  # type: ignore[misc, valid-type]  # a class made from the registry's
        @contextmanager
        def open_writer(self, request: WriteRequest) -> Iterator[Writer]:
            with super().open_writer(request) as writer:
                write = writer.write

                def write_or_die(records: object, *rest: object) -> None:
                    die_of(records.column("id").to_pylist())  # type: ignore[attr-defined]  # a record batch
                    write(records, *rest)

                writer.write = write_or_die
                yield writer

    return Target


def main(where: str, folder: Path) -> None:
    """Arm the plugin, make the instance, and work its run to the end."""
    plugin, arm = {"reading": ("files", deadly_source), "writing": ("sqlite", deadly_writer)}[where]
    registry.CONNECTORS[plugin] = arm(registry.CONNECTORS[plugin])
    call_command("migrate", verbosity=0)
    with acting_as(Actor(system="test")):
        run = start()
        deaths = work_until_it_ends(run)
        report(run, deaths)


def start() -> Run:
    """A run from a CSV file into a SQLite file."""
    workspace = Workspace.objects.create(slug="acme", name="Acme")
    root = file_root_of(workspace)
    root.mkdir(parents=True, exist_ok=True)
    (root / "records.csv").write_text("id\n" + "".join(f"{number}\n" for number in range(RECORDS)))
    source = save_connector(workspace=workspace, connector=None, given=ConnectorInput("in", "files", {"format": "csv"}))
    settings = {"path": "out.sqlite3", "create_file": True}
    target = save_connector(workspace=workspace, connector=None, given=ConnectorInput("out", "sqlite", settings))
    rules = {"limit.batch_records": BATCH_RECORDS}
    flow = integrations.Flow(
        source, "records.csv", target, "records", {"fields": FIELDS, "filter": ""}, write_mode="append"
    )
    made = integrations.create_integration(
        workspace=workspace, name="numbers", description="", flow=flow, user=None,
        policy=Policy.objects.create(workspace=workspace, name="small", rules=rules),
    )  # fmt: skip
    return runs.start_run(deployment=made.deployments.get(), trigger=Trigger.MANUAL)


def work_until_it_ends(run: Run) -> int:
    """Replace each process that dies; return how many died."""
    deaths = 0
    while Run.objects.filter(pk=run.pk, state__in=ACTIVE_STATES).exists():
        connections.close_all()
        pid = os.fork()
        if not pid:
            work(run)
        _, status = os.waitpid(pid, 0)
        deaths += os.WIFSIGNALED(status)
    return deaths


def work(run: Run) -> None:
    """Do what a process of the pool does, until the run has ended."""
    while Run.objects.filter(pk=run.pk, state__in=ACTIVE_STATES).exists():
        work_due(worker=f"test:{os.getpid()}", draining=lambda: False)
    os._exit(0)


def report(run: Run, deaths: int) -> None:
    """Print the end of the run."""
    run.refresh_from_db()
    letters = DeadLetter.objects.filter(run=run)
    found = {
        "state": run.state,
        "code": run.error_code,
        "message": run.error_message,
        "counts": [run.read, run.written, run.set_aside],
        "letters": [[letter.code, dead_letters.payload_of(letter)] for letter in letters],
        "isolation": run.isolation,
        "isolating": Event.objects.filter(run_id=run.pk, kind="run.isolating").count(),
        "deaths": deaths,
    }
    sys.stdout.write(json.dumps(found))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
