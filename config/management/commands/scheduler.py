"""`manage.py scheduler`: claims due schedules and hints again what the rows say is due. Any number may run."""

import signal
import threading
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from accounts.permissions import shell_command
from accounts.services.audit_anchors import Anchorer
from config import logging as signalbox_logging
from config.anchors import destination_of
from config.connections import keep_open
from config.heartbeat import process_name
from config.scheduler import Job, beside, run_loop
from integrations.services import chains, freshness, picking, retention, ticking
from monitoring.services.heartbeats import beat


@shell_command("starts a process of the product; acts under its own name")
class Command(BaseCommand):
    """Ticks until TERM."""

    help = "Start what is due, and hint again what was forgotten."
    requires_system_checks: list[str] = []  # the supervisor has run them once for all its children

    def handle(self, *args: object, **options: Any) -> None:  # Django's own options
        """Run the loop in this process until it is told to stop."""
        signalbox_logging.set_component("scheduler")
        keep_open()
        stop = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        name = process_name()
        prompt = [
            Job("heartbeat", settings.HEARTBEAT_SECONDS, lambda: beat("scheduler", name)),
            Job("tick", settings.TICK_SECONDS, ticking.tick),
            Job("chains", settings.RECONCILE_SECONDS, chains.start_owed),
            Job("reconcile", settings.RECONCILE_SECONDS, picking.reconcile),
        ]
        # These look at every integration, and may take minutes.
        thorough = [
            Job("freshness", settings.FRESHNESS_SECONDS, freshness.judge_freshness),
            Job("retention", settings.RETENTION_SECONDS, retention.sweep),
        ]
        anchorer = Anchorer(destination_of(settings.AUDIT_ANCHOR, settings.EGRESS_ALLOW))
        # The other side may be slow, and nothing else should be late for that.
        outside = [Job("anchors", settings.AUDIT_ANCHOR_SECONDS, anchorer.anchor)]
        with beside(thorough, stop), beside(outside, stop):
            run_loop(prompt, stop)
