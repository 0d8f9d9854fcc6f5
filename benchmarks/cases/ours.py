"""Moves a stream into a PostgreSQL table by Signalbox's own services, in this one process, and prints its figures.

Everything is on that is on in production: the mapping with its checks, a checkpoint in the destination's transaction
and one in the control plane for every batch, the lease's heartbeat. The time is the run's own, from claim to end.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from pathlib import Path

import django
from django.core.management import call_command


def arguments() -> argparse.ArgumentParser:
    """What is moved from where to where."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--plugin", required=True)
    parser.add_argument("--settings", required=True, type=json.loads)
    parser.add_argument("--stream", required=True)
    parser.add_argument("--destination", required=True, type=json.loads)
    parser.add_argument("--table", required=True)
    parser.add_argument("--allow", required=True)
    parser.add_argument("--root", required=True)
    parser.add_argument("--mapping", choices=("records", "bulk"), default="records")
    parser.add_argument("--signed-in", action="store_true")
    parser.add_argument("--bearer", default="")
    return parser


def set_up(given: argparse.Namespace, folder: str) -> None:
    """Let this process, and those that it starts, be a throw-away instance."""
    os.environ |= {
        "SIGNALBOX_DATA": folder,
        "DJANGO_SETTINGS_MODULE": "config.settings",
        "SIGNALBOX_EGRESS_ALLOW": given.allow,
        "SIGNALBOX_EGRESS_OWN": given.allow,
        "SIGNALBOX_FILE_ROOT": str(Path(given.root).resolve().parent),
        "SIGNALBOX_LOG_LEVEL": "WARNING",
    }
    django.setup()


def main() -> None:
    """Set a throw-away instance up, run once, print one line of JSON."""
    given = arguments().parse_args()
    with tempfile.TemporaryDirectory() as folder:
        set_up(given, folder)
        # The settings are read from the environment above, and models can be imported only after the set-up.
        from benchmarks.cases.moving import move

        call_command("migrate", verbosity=0)
        print(json.dumps(move(given)))


if __name__ == "__main__":
    main()
