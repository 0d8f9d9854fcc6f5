"""Prepares one long run from a file into PostgreSQL, and prints its id; `tests.faults.crash` has it worked.

python -m tests.faults.start million <records> <destination's address> <its port>
"""

from __future__ import annotations

import os
import sys

from django.core.management import call_command

from accounts.request_context import Actor, acting_as
from integrations.domain.lifecycle import Trigger
from integrations.models import Policy
from integrations.services import runs
from tests.faults import history
from tests.faults.kinds import FIELDS
from tests.faults.place import RULES, Place

BATCH_RECORDS = 5_000


def main(arguments: list[str]) -> None:
    """Make the tables, the file, the integration and its run."""
    records, database, port = int(arguments[0]), arguments[1], int(arguments[2])
    call_command("migrate", interactive=False, verbosity=0)
    history.watch(os.environ["DATABASE_URL"])
    with acting_as(Actor(system="faults")):
        place = Place.make(database, port)
        Policy.objects.update(rules={**RULES, "limit.batch_records": BATCH_RECORDS})
        with (place.files / "records.csv").open("w") as file:
            file.write("id,value\n")
            file.writelines(f"{number},record {number}\n" for number in range(records))
        deployment = place.join(
            "million", place.csv_source(), "records.csv", place.postgres(), "records",
            mapping={"fields": FIELDS, "filter": ""}, write_mode="append",
        )  # fmt: skip
        sys.stdout.write(f"{runs.start_run(deployment=deployment, trigger=Trigger.MANUAL).pk}\n")
