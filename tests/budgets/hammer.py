"""Processes that hammer a budget: `python -m tests.budgets.hammer <connector> <calls or slots> <processes> <seconds>`.

Each asks its gate for call after call, as fast as it may, and remembers when calls would have gone out; or it holds a
slot again and again, and remembers when it had one. What all of them remember is printed as one line of JSON.
"""

from __future__ import annotations

import json
import multiprocessing
import sys
import time
from contextlib import suppress
from typing import Any

import django

django.setup()

from django.db import connections  # noqa: E402 - Django first

from integrations.connectors.gate import Gate  # noqa: E402 - as above
from integrations.errors import NotYet  # noqa: E402 - as above
from integrations.models import Connector  # noqa: E402 - as above
from integrations.services.gate import open_gate  # noqa: E402 - as above
from integrations.services.policies import effective_policy  # noqa: E402 - as above

HOLD_SECONDS = 0.2
FORK = multiprocessing.get_context("fork")


def gate_of(name: str) -> Gate:
    connector = Connector.objects.select_related("policy", "workspace", "credential").get(name=name)
    policy = effective_policy(workspace=connector.workspace, connector=connector)
    return open_gate(connector, policy, run=None, scope_id=connector.pk)


# Any: the barrier and the queue of a multiprocessing context have no public types.
def hammer(name: str, mode: str, seconds: float, barrier: Any, out: Any) -> None:
    """What one process does."""
    gate = gate_of(name)
    barrier.wait(60)
    ends_at = time.monotonic() + seconds
    moments: list[object] = []
    while time.monotonic() < ends_at:
        with suppress(NotYet):
            moments.append(call(gate) if mode == "calls" else hold(gate))
    out.put(moments)
    connections.close_all()


def call(gate: Gate) -> float:
    gate.admit()
    return time.time()


def hold(gate: Gate) -> tuple[float, float]:
    leave = gate.enter()
    entered = time.time()
    time.sleep(HOLD_SECONDS)
    left = time.time()
    leave()
    return entered, left


def main() -> None:
    name, mode, processes, seconds = sys.argv[1], sys.argv[2], int(sys.argv[3]), float(sys.argv[4])
    barrier, out = FORK.Barrier(processes), FORK.Queue()
    started = [FORK.Process(target=hammer, args=(name, mode, seconds, barrier, out)) for _ in range(processes)]
    for process in started:
        process.start()
    remembered = [out.get(timeout=120) for _ in started]
    for process in started:
        process.join()
    print(json.dumps([moment for moments in remembered for moment in moments]))  # noqa: T201 - what the test reads


if __name__ == "__main__":
    main()
