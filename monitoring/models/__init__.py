"""The tables of monitoring; import models from here."""

from monitoring.models.heartbeat import Heartbeat

__all__ = ["Heartbeat"]
