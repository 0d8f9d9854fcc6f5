"""The tables of monitoring; import models from here."""

from monitoring.models.heartbeat import Heartbeat
from monitoring.models.notification_read import NotificationRead

__all__ = ["Heartbeat", "NotificationRead"]
