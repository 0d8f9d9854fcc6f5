"""Signs of life: processes write them, readiness and the status page read them."""

from __future__ import annotations

from datetime import timedelta

from django.db.models.functions import Now

from monitoring.models import Heartbeat

FORGET_AFTER_SECONDS = 3600


def beat(kind: str, name: str) -> None:
    """Say that this process lives. Processes that were silent for an hour are forgotten on the way."""
    if not Heartbeat.objects.filter(kind=kind, name=name).update(seen_at=Now()):
        Heartbeat.objects.get_or_create(kind=kind, name=name)
        Heartbeat.objects.filter(seen_at__lt=Now() - timedelta(seconds=FORGET_AFTER_SECONDS)).delete()
