"""Figures for Prometheus, counted from the database: processes come and go, rows stay."""

from __future__ import annotations

from collections.abc import Iterator

from django.db.models import Count, Sum
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from integrations.domain.lifecycle import DeadLetterState, RunState
from integrations.models import DeadLetter, Run
from integrations.models.dead_letter import in_unsettled_batch
from monitoring.domain.health import PROCESS_SILENT_AFTER_SECONDS
from monitoring.models import Heartbeat
from monitoring.models.heartbeat import ProcessKind


class DatabaseCollector(Collector):
    """Asks the database at each scrape."""

    def collect(self) -> Iterator[GaugeMetricFamily]:
        yield _runs()
        yield _records()
        yield _dead_letters()
        yield _processes()


def render_metrics() -> bytes:
    """The metrics in Prometheus's text format. Workspaces are not named: the page is for the instance's operators."""
    registry = CollectorRegistry()
    registry.register(DatabaseCollector())
    return generate_latest(registry)


def _runs() -> GaugeMetricFamily:
    family = GaugeMetricFamily("signalbox_runs", "Runs by state.", labels=["state"])
    counted = dict(Run.objects.filter(parent=None).values_list("state").annotate(count=Count("id")).order_by())
    for state in RunState:
        family.add_metric([state.value], counted.get(state.value, 0))
    return family


def _records() -> GaugeMetricFamily:
    # No counter: retention deletes runs, and a counter that falls reads as a restart, so as so many records at once.
    words = "Records of the runs that are kept, by what became of them; read is the sum of the others."
    family = GaugeMetricFamily("signalbox_records", words, labels=["outcome"])
    sums = Run.objects.filter(parent=None).aggregate(
        **{name: Sum(name) for name in ("read", "written", "set_aside", "filtered")}
    )
    for name, value in sums.items():
        family.add_metric([name], value or 0)
    return family


def _dead_letters() -> GaugeMetricFamily:
    family = GaugeMetricFamily("signalbox_dead_letters", "Dead letters by state.", labels=["state"])
    letters = DeadLetter.objects.exclude(in_unsettled_batch())
    counted = dict(letters.values_list("state").annotate(count=Count("id")).order_by())
    for state in DeadLetterState:
        family.add_metric([state.value], counted.get(state.value, 0))
    return family


def _processes() -> GaugeMetricFamily:
    family = GaugeMetricFamily("signalbox_processes", "Processes seen lately by kind.", labels=["kind"])
    for kind in ProcessKind:
        alive = Heartbeat.objects.filter(kind=kind).seen_within(PROCESS_SILENT_AFTER_SECONDS).count()
        family.add_metric([kind.value], alive)
    return family
