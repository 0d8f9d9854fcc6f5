"""The probes: is the process alive, is the instance ready, and its metrics."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse, JsonResponse
from prometheus_client import CONTENT_TYPE_LATEST

from accounts.permissions import public_view
from monitoring.services.metrics import render_metrics
from monitoring.services.readiness import readiness


@public_view("a probe asks without a session, and learns only that the process answers")
def healthz(_: HttpRequest) -> HttpResponse:
    """200 as long as this process answers; nothing else is asked."""
    return JsonResponse({"ok": True})


@public_view("a load balancer asks without a session; the findings name no workspace")
def readyz(_: HttpRequest) -> HttpResponse:
    """200 when all findings hold, else 503 with those that do not."""
    findings = readiness()
    ready = all(finding.ok for finding in findings)
    body = {
        "ok": ready,
        "findings": {finding.name: {"ok": finding.ok, "message": finding.message} for finding in findings},
    }
    return JsonResponse(body, status=200 if ready else 503)


@public_view("Prometheus scrapes without a session; sums over the instance, no names")
def metrics(_: HttpRequest) -> HttpResponse:
    """Prometheus's text format."""
    return HttpResponse(render_metrics(), content_type=CONTENT_TYPE_LATEST)
