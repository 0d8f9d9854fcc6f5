"""Many runs at once: rows as the services leave them, without a source behind them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import TypeVar

from django.db import connection
from django.utils import timezone

from accounts.models import Workspace
from integrations.models import Connector, Deployment, Integration, IntegrationVersion, Run
from tests.runs.conftest import MAPPING

T = TypeVar("T")


def crowd(workspace: Workspace, connector: Connector, count: int, *, due_seconds_ago: float = 60) -> list[Run]:
    """Queue `count` runs of as many integrations over one connector, each due a little later than the one before."""
    names = [f"{workspace.slug}-{number}" for number in range(count)]
    integrations = Integration.objects.bulk_create(Integration(workspace=workspace, name=name) for name in names)
    version = IntegrationVersion.objects.create(
        integration=integrations[0], number=1, source=connector, destination=connector,
        source_stream="rows", destination_stream="rows_out", mapping=MAPPING, write_mode="append",
    )  # fmt: skip
    deployments = Deployment.objects.bulk_create(
        Deployment(workspace=workspace, integration=each, version=version) for each in integrations
    )
    first = timezone.now() - timedelta(seconds=due_seconds_ago)
    return Run.objects.bulk_create(
        Run(
            workspace=workspace, deployment=deployment, version=version, trigger="manual",
            next_attempt_at=first + timedelta(milliseconds=number),
        )
        for number, deployment in enumerate(deployments)
    )  # fmt: skip


def all_at_once(calls: Sequence[Callable[[], T]]) -> list[T]:
    """What each call returns, all of them made at the same time, each in a thread with a connection of its own."""

    def connected(call: Callable[[], T]) -> T:
        try:
            return call()
        finally:
            connection.close()

    with ThreadPoolExecutor(len(calls)) as threads:
        return list(threads.map(connected, calls))
