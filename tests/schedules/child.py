"""A scheduler of the product as a process of its own, which counts its ticks, and whose own clock may be wrong.

python -m tests.schedules.child scheduler <file of ticks> <seconds that Python's clock is off>
python -m tests.schedules.child make <plans as JSON>
"""

from __future__ import annotations

import json
import os
import sys
import time
from datetime import UTC, datetime, timedelta

import django
from django.core.management import call_command

django.setup()

from django.utils import timezone  # noqa: E402 - Django is set up before its parts are imported

from accounts.domain.roles import Role  # noqa: E402
from accounts.models import Membership, User, Workspace  # noqa: E402
from accounts.request_context import Actor, acting_as  # noqa: E402
from accounts.services import tokens  # noqa: E402
from integrations import encryption  # noqa: E402
from integrations.domain.blackout import blackout_of  # noqa: E402
from integrations.domain.lifecycle import Trigger  # noqa: E402
from integrations.domain.misfire import Misfire, Plan  # noqa: E402
from integrations.domain.schedule import ScheduleKind, Timetable  # noqa: E402
from integrations.models import DeadLetter, Deployment  # noqa: E402
from integrations.services import integrations, runs, schedules, ticking  # noqa: E402
from integrations.services.connectors import ConnectorInput, save_connector  # noqa: E402
from integrations.services.run_progress import letter_binding  # noqa: E402

MAPPING = {"fields": [{"target": "id", "expression": "id", "type": "integer", "required": True}], "filter": ""}


def run_scheduler(ticks: str, off_seconds: float) -> None:
    """Tick until killed. Whoever asks Python for the time is told a wrong one."""
    tick, now = ticking.tick, time.time
    out = os.open(ticks, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    def counted() -> int:
        started = tick()
        os.write(out, b".")
        return started

    if off_seconds:
        time.time = lambda: now() + off_seconds
        timezone.now = lambda: datetime.now(UTC) + timedelta(seconds=off_seconds)
    ticking.tick = counted
    call_command("scheduler")


def make(plans: str) -> None:
    """Write a deployment with a schedule for each plan."""
    with acting_as(Actor(system="test")):
        workspace = Workspace.objects.create(slug="acme", name="Acme")
        files = save_connector(
            workspace=workspace, connector=None, given=ConnectorInput("files", "files", {"path": "."})
        )
        for given in json.loads(plans):
            flow = integrations.Flow(files, "in.csv", files, "out.csv", MAPPING, write_mode="append")
            made = integrations.create_integration(
                workspace=workspace, name=given["name"], description="", flow=flow, user=None
            )
            table = Timetable(
                ScheduleKind.CRON if "cron" in given else ScheduleKind.INTERVAL,
                given.get("cron", ""), given.get("every", 0), given.get("zone", "UTC"),
            )  # fmt: skip
            plan = Plan(table, Misfire(given.get("misfire", "all")), 1000, blackout_of(given.get("blackout", {})))
            schedules.set_plan(deployment=made.deployments.get(), plan=plan)


def make_race() -> None:
    """Write an owner, an integration with an open dead letter, and print the ids with a token."""
    make(json.dumps([{"name": "orders", "every": 366 * 24 * 3600}]))
    workspace = Workspace.objects.get()
    owner = User.objects.create_user("owner@example.org", "a long enough passphrase", name="Owner")
    Membership.objects.create(workspace=workspace, user=owner, role=Role.OWNER.value)
    deployment = Deployment.objects.select_related("integration", "version", "workspace").get()
    with acting_as(Actor(user=owner)):
        run = runs.cancel_run(run=runs.start_run(deployment=deployment, trigger=Trigger.MANUAL, user=owner))
        letter = DeadLetter(
            workspace=workspace, integration=deployment.integration, run=run, batch_number=1,
            code="conversion_failed", reason="id: cannot be made into integer from x.",
        )  # fmt: skip
        letter.payload = encryption.encrypt(b'{"id": "x"}', bound_to=letter_binding(letter))
        letter.save()
        text = tokens.create(workspace=workspace, creator=owner, name="race", scopes=(tokens.ALL_SCOPES,)).text
    made = {"token": text, "integration": str(deployment.integration_id), "letter": str(letter.pk)}
    sys.stdout.write(json.dumps(made) + "\n")


if __name__ == "__main__":
    if sys.argv[1] == "make":
        make(sys.argv[2])
    elif sys.argv[1] == "race":
        make_race()
    else:
        run_scheduler(sys.argv[2], float(sys.argv[3]))
