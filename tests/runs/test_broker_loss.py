"""The broker loses everything: what is queued stands in the rows, and is started after the broker's return."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.db.models import Count
from django.db.models.functions import Now
from kombu import Connection, Queue

from accounts.models import Workspace
from config.celery import _transport_options, app
from integrations.models import Connector, Run
from integrations.services import picking
from integrations.services.working import work_due
from tests.runs.crowd import crowd
from tests.runs.listed import World
from tests.servers import Server

pytestmark = pytest.mark.django_db(transaction=True)
QUEUED = 1_000
# Each of these is also worked; that all thousand are is a matter of the workers' speed alone.
WORKED = 60


@dataclass(frozen=True)
class Broker:
    """The broker that hints go to, and how it is wiped."""

    url: str
    folder: Path

    def connect(self) -> Connection:
        return Connection(self.url, transport_options=_transport_options(self.url))

    def size(self) -> int:
        with self.connect() as connection:
            channel: Any = connection.default_channel
            return int(channel._size("celery"))

    def take(self) -> dict[str, Any]:
        """The oldest message."""
        with self.connect() as connection, connection.channel() as channel:
            message = Queue("celery")(channel).get(no_ack=True)
            assert message is not None
            return dict(message.headers)

    def wipe(self) -> None:
        """Take all messages from it, and the memory of every queue."""
        if self.url.startswith("redis"):
            with self.connect() as connection:
                channel: Any = connection.default_channel
                channel.client.flushall()
        else:
            shutil.rmtree(self.folder)


@pytest.fixture(params=["redis", "embedded"])
def broker(request: pytest.FixtureRequest) -> Iterator[Broker]:
    """A broker without a message, which the product's hints go to."""
    folder = django_settings.DATA_DIR / "broker"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    made = Broker("signalbox-fs://localhost//", folder)
    if request.param == "redis":
        server: Server = request.getfixturevalue("redis_server")
        made = Broker(server.url, folder)
    before = app.conf.broker_url, app.conf.broker_transport_options
    send_to(made.url, _transport_options(made.url))
    made.wipe()
    yield made
    send_to(*before)


def send_to(url: str, options: dict[str, Any]) -> None:
    """Let the application send to this address from now on, as it does after a fork."""
    app.conf.update(broker_url=url, broker_transport_options=options)
    app._after_fork()  # type: ignore[attr-defined]  # its stubs leave it out


@pytest.mark.fault("F12", "F13")
def test_a_wiped_broker_loses_no_queued_run(
    workspace: Workspace, connector: Connector, outside: World, broker: Broker
) -> None:
    crowd(workspace, connector, QUEUED)
    for _ in range(QUEUED // picking.RECONCILE_AT_MOST):
        assert picking.reconcile() == picking.RECONCILE_AT_MOST
    assert broker.size() == QUEUED
    broker.wipe()
    assert (broker.size(), picking.reconcile()) == (0, 0)
    Run.objects.update(hinted_at=Now() - picking.HINT_AGAIN)
    assert picking.reconcile() == picking.HINT_AGAIN_AT_MOST == broker.size()
    assert broker.take()["task"] == "integrations.run_slice"


@pytest.mark.fault("F13", "F44")
def test_one_message_starts_everything_that_is_due(
    workspace: Workspace, connector: Connector, outside: World, broker: Broker, settings: Any
) -> None:
    crowd(workspace, connector, WORKED)
    settings.SLICE_SECONDS = 600
    assert work_due(worker="test", draining=lambda: False) == WORKED
    assert list(Run.objects.order_by().values_list("claims").annotate(Count("id"))) == [(1, WORKED)]


def test_what_a_worker_has_no_time_for_is_hinted_on(
    workspace: Workspace, connector: Connector, outside: World, broker: Broker, settings: Any
) -> None:
    crowd(workspace, connector, 2)
    settings.SLICE_SECONDS = 0.001
    assert (work_due(worker="test", draining=lambda: False), broker.size()) == (1, 1)


def test_a_defect_in_one_run_does_not_keep_the_others_waiting(
    workspace: Workspace, connector: Connector, outside: World, broker: Broker
) -> None:
    crowd(workspace, connector, 2)
    outside.rows = [{"id": 1, "amount": "1"}]
    outside.fail_read_after = [(0, ZeroDivisionError())]
    with pytest.raises(ZeroDivisionError):
        work_due(worker="test", draining=lambda: False)
    assert broker.size() == 1


def test_a_worker_that_is_told_to_stop_passes_its_hint_on(
    workspace: Workspace, connector: Connector, outside: World, broker: Broker
) -> None:
    crowd(workspace, connector, 1)
    assert (work_due(worker="test", draining=lambda: True), broker.size()) == (0, 1)
