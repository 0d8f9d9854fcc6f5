"""The proof of the audit log: tampers with it on both databases, measures `verify`, and prints one line of JSON.

    python -m tests.audit --tamperings 10000

ends with 1 when a change before the last anchor was not found, an untouched log was, or `verify` is too slow.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
django.setup()

from django.core.management import call_command  # noqa: E402 - after django.setup, as the rest
from django.db import connection  # noqa: E402
from django.utils import timezone  # noqa: E402

from accounts import audit_keys  # noqa: E402
from accounts.domain.audit_chain import signature  # noqa: E402
from accounts.models import AuditCounter, AuditEntry, Workspace, audit_guard  # noqa: E402
from accounts.models.audit import columns_of  # noqa: E402
from accounts.services.audit_verify import verify_scope  # noqa: E402
from tests.audit.tampering import make_log, tamper  # noqa: E402
from tests.runs.databases import control_database  # noqa: E402
from tests.servers import PostgresFolder  # noqa: E402
from tests.world import build_world  # noqa: E402

DATABASES = ("sqlite", "postgresql")
ROWS_PER_SECOND = 50_000
_AT_ONCE = 1000
_TURNS = 5


def main() -> int:
    """Run the proof that the arguments ask for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tamperings", type=int, default=10_000, help="on both databases together")
    parser.add_argument("--rows", type=int, default=200_000, help="entries of the log that is timed")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    result = {}
    for name in DATABASES:
        with _database(name):
            result[name] = _prove(given.tamperings // len(DATABASES), given.rows, given.seed)
    parts = list(result.values())
    is_good = all(not part["missed"] and not part["false_alarms"] and part["is_fast"] for part in parts)
    totals = {"ok": is_good, "tamperings": sum(int(str(part["tamperings"])) for part in parts)}
    sys.stdout.write(json.dumps({**totals, **result}) + "\n")
    return 0 if is_good else 1


def _prove(tamperings: int, rows: int, seed: int) -> dict[str, object]:
    call_command("migrate", interactive=False, verbosity=0)
    log = make_log(build_world(), seed)
    audit_guard.remove(connection)
    began = time.monotonic()
    tally = tamper(log, tamperings)
    seconds = time.monotonic() - began
    speed = _rows_per_second(rows)
    return {
        "tamperings": sum(tally.made.values()),
        "missed": dict(tally.missed),
        "false_alarms": tally.false_alarms,
        "made": dict(tally.made),
        "found_as": dict(tally.findings),
        "seconds": round(seconds, 1),
        "verify_rows_per_second": speed,
        "is_fast": speed >= ROWS_PER_SECOND,
    }


def _rows_per_second(rows: int) -> int:
    workspace = Workspace.objects.create(slug="long", name="Long")
    _fill(workspace, rows)
    best = 0.0
    for _ in range(_TURNS):
        began = time.monotonic()
        check, finding = verify_scope(workspace.pk, [])
        if finding or check.count != rows:
            raise AssertionError(f"{finding} after {check.count} of {rows} entries")
        best = max(best, rows / (time.monotonic() - began))
    return round(best)


def _fill(workspace: Workspace, rows: int) -> None:
    """A log of the size of a year's, written at once; each entry as a change of a policy would write it."""
    signing, prev = audit_keys.current(), ""
    for start in range(0, rows, _AT_ONCE):
        page = []
        for seq in range(start + 1, min(start + _AT_ONCE, rows) + 1):
            entry = AuditEntry(
                workspace=workspace, seq=seq, at=timezone.now(), actor_label="owner@example.org", ip="203.0.113.9",
                action="policy.changed", object_type="policy", object_id=str(workspace.pk), object_label="patient",
                before={"retry.attempts": seq}, after={"retry.attempts": seq + 1, "retry.backoff": "exponential"},
                request_id=f"{seq:032}", prev=prev, key_id=signing.id,
            )  # fmt: skip
            entry.mac = prev = signature(signing.key, columns_of(entry), prev)
            page.append(entry)
        AuditEntry.objects.bulk_create(page)
    AuditCounter.objects.create(scope=workspace.pk, last=rows, mac=prev)


@contextmanager
def _database(name: str) -> Iterator[None]:
    if name == "sqlite":
        yield
        return
    with TemporaryDirectory(prefix="signalbox-pg-") as folder:
        made = PostgresFolder.make(Path(folder))
        with made.running(synchronous_commit="off"), control_database(made.url):
            yield


if __name__ == "__main__":
    sys.exit(main())
