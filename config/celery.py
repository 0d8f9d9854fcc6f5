"""The Celery application: tasks carry ids alone, and what is true stands in the database."""

import logging
from typing import Any

import structlog
from celery import Celery, Task
from celery.signals import (
    before_task_publish,
    setup_logging,
    task_postrun,
    task_prerun,
    worker_init,
    worker_process_init,
)
from django.conf import settings
from django.db import close_old_connections, connections

from config import broker, lifeline
from config.trace import new_trace_id

TRACE_HEADER = "trace_id"
# For a hint that finds no broker: nobody waits for it, since the reconciler hints again. Six seconds without this.
_GIVE_UP_SOON = {"max_retries": 1, "interval_start": 0, "interval_step": 0.1, "connect_retries_timeout": 1.0}


def _broker_url(url: str) -> str:
    """Kombu warns about an address without a host, which the embedded broker has none of."""
    return f"{broker.SCHEME}://localhost//" if url == f"{broker.SCHEME}://" else url


def _transport_options(url: str) -> dict[str, Any]:  # each transport has its own options
    if url.startswith(f"{broker.SCHEME}:"):
        return {"folder": str(settings.DATA_DIR / "broker")}
    if url.startswith("amqp"):
        # Without confirms a killed RabbitMQ lost 200 of 200 messages that it had taken.
        return {"confirm_publish": True, **_GIVE_UP_SOON}
    timeouts = {"socket_timeout": 10, "socket_connect_timeout": 5, "health_check_interval": 25}
    return {**timeouts, "socket_keepalive": True, **_GIVE_UP_SOON}


def _configuration() -> dict[str, Any]:  # Celery's settings are of every type
    return {
        "broker_url": _broker_url(settings.BROKER_URL),
        "broker_transport_options": _transport_options(settings.BROKER_URL),
        "broker_connection_retry_on_startup": True,
        "accept_content": ["json"],
        "task_serializer": "json",
        "result_backend": None,
        "task_ignore_result": True,
        "task_store_errors_even_if_ignored": False,
        # A lost message costs two seconds (the reconciler hints again); a redelivered one costs a double run.
        "task_acks_late": False,
        "worker_prefetch_multiplier": 1,
        "worker_max_tasks_per_child": 500,
        # Hard, not soft: an exception that strikes wherever the process is, left a connection torn within its commit.
        "task_time_limit": settings.SLICE_LIMIT_SECONDS,
        # Commands to workers over the broker: not used, so not open.
        "worker_enable_remote_control": False,
        "worker_send_task_events": False,
        "worker_hijack_root_logger": False,
        "worker_redirect_stdouts": False,
        "timezone": "UTC",
    }


broker.register()
# Celery's own Django fixup closes the database connection after each task: a third of the tasks per second.
app = Celery("signalbox", fixups=[], set_as_current=True)
# `current_app` of every thread, not only of this one.
app.set_default()
app.conf.update(_configuration())
app.autodiscover_tasks(["integrations", "monitoring", "accounts"])


@setup_logging.connect
def _keep_logging(**_: object) -> None:
    """Being connected keeps Celery from replacing the logging that `config.logging` set up."""
    for name in ("celery.worker.strategy", "celery.app.trace", "kombu"):
        # A hint every two seconds is not news; what a task does is logged by the task.
        logging.getLogger(name).setLevel(logging.WARNING)


@worker_init.connect
def _before_fork(**_: object) -> None:
    connections.close_all()


@worker_process_init.connect
def _after_fork(**_: object) -> None:
    lifeline.follow_parent()


@before_task_publish.connect
def _send_trace(headers: dict[str, Any], **_: object) -> None:  # Celery's headers are of every type
    headers.setdefault(TRACE_HEADER, structlog.contextvars.get_contextvars().get("trace_id") or new_trace_id())


@task_prerun.connect
def _begin_task(task: Task[..., object], **_: object) -> None:
    close_old_connections()
    trace = task.request.get(TRACE_HEADER) or (task.request.get("headers") or {}).get(TRACE_HEADER)
    structlog.contextvars.clear_contextvars()
    structlog.contextvars.bind_contextvars(trace_id=trace or new_trace_id(), task=task.name)


@task_postrun.connect
def _end_task(**_: object) -> None:
    close_old_connections()
    structlog.contextvars.clear_contextvars()
