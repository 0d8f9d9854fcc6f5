"""What a member has marked as read."""

from __future__ import annotations

from typing import ClassVar

from django.db import models

from accounts.models import Membership


class NotificationRead(models.Model):
    """One notification, by its key, that one member has read."""

    id = models.BigAutoField(primary_key=True)
    membership = models.ForeignKey(Membership, on_delete=models.CASCADE, related_name="+")
    key = models.CharField(max_length=120)

    objects: ClassVar[models.Manager[NotificationRead]] = models.Manager()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["membership", "key"], name="one_reading_of_a_notification")]

    def __str__(self) -> str:
        return self.key
