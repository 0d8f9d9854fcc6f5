"""People: they sign in by e-mail address."""

from __future__ import annotations

from typing import ClassVar

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.db import models

from accounts.models.base import new_id


class UserManager(BaseUserManager["User"]):
    """Keeps addresses in lower case, so that one person is one row."""

    def create_user(
        self, email: str, password: str | None = None, *, name: str = "", is_instance_admin: bool = False
    ) -> User:
        """Store a person; without a password nobody can sign in as them."""
        user = self.model(email=normal_email(email), name=name, is_instance_admin=is_instance_admin)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_superuser(self, email: str, password: str | None = None, *, name: str = "") -> User:
        """What Django's `createsuperuser` calls: an instance admin."""
        return self.create_user(email, password, name=name, is_instance_admin=True)

    def get_by_natural_key(self, username: str | None) -> User:
        """Find by address, whatever its case."""
        return self.get(email=normal_email(username or ""))


class User(AbstractBaseUser):
    """A person; what they may do stands in their memberships."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    email = models.EmailField(unique=True)
    name = models.CharField(max_length=120, blank=True)
    is_active = models.BooleanField(default=True)
    is_instance_admin = models.BooleanField(default=False)
    created_at = models.DateTimeField(auto_now_add=True)

    objects: ClassVar[UserManager] = UserManager()

    USERNAME_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = []

    class Meta:
        ordering = ["email"]

    def __str__(self) -> str:
        return self.email

    @property
    def display_name(self) -> str:
        """The name, or the address where none was given."""
        return self.name or self.email

    @property
    def initials(self) -> str:
        """Up to two letters for the avatar."""
        words = self.display_name.split("@")[0].replace(".", " ").split()
        return "".join(word[0] for word in words[:2]).upper() or "?"


def normal_email(email: str) -> str:
    """The one spelling under which an address is stored and found."""
    return email.strip().lower()
