"""The app of people and workspaces: sign-in, roles, tokens, audit."""

from importlib import import_module

from django.apps import AppConfig


class AccountsConfig(AppConfig):
    """Knows none of the other apps."""

    name = "accounts"
    verbose_name = "Accounts"

    def ready(self) -> None:
        """Listen to sign-ins, and tell the API's schema how to sign in, once the models are there."""
        for module in ("accounts.receivers", "accounts.api.schema"):
            import_module(module)
