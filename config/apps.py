"""Registers the Celery application, so that every process sends its tasks to the right broker."""

from django.apps import AppConfig

from config.celery import app as celery_app

__all__ = ["SignalboxConfig", "celery_app"]


class SignalboxConfig(AppConfig):
    """The project itself: commands and process wiring, no tables."""

    name = "config"
    verbose_name = "Signalbox"
