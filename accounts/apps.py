"""The app of people and workspaces: sign-in, roles, tokens, audit."""

from importlib import import_module

from django.apps import AppConfig


class AccountsConfig(AppConfig):
    """Knows none of the other apps."""

    name = "accounts"
    verbose_name = "Accounts"

    def ready(self) -> None:
        """Listen to sign-ins once the models are there."""
        import_module("accounts.receivers")
