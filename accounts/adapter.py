"""How allauth behaves here: nobody signs themselves up, and addresses come from the instance's own settings."""

from __future__ import annotations

from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest
from django.utils.http import url_has_allowed_host_and_scheme

from accounts.client_address import client_ip


class AccountAdapter(DefaultAccountAdapter):  # type: ignore[misc]  # allauth ships no types
    """Accounts are made by an admin of a workspace."""

    def is_open_for_signup(self, request: HttpRequest) -> bool:  # noqa: ARG002 - allauth passes it
        """Never: a person is added by a member who may."""
        return False

    def get_client_ip(self, request: HttpRequest) -> str:
        """The same address that the audit log writes."""
        address = client_ip(request)
        if address is None:
            raise PermissionDenied("the address of the client is not known")
        return address

    def is_safe_url(self, url: str) -> bool:
        """A redirect leads to a path of ours; allauth would take every host of ALLOWED_HOSTS."""
        return bool(url) and url.startswith("/") and url_has_allowed_host_and_scheme(url, allowed_hosts=None)

    def format_email_subject(self, subject: str) -> str:
        """The product's name first, not the host's."""
        return f"[Signalbox] {subject}"

    def send_mail(self, template_prefix: str, email: str, context: dict[str, Any]) -> None:  # allauth's context is free
        """Links in mails begin with PUBLIC_BASE_URL, whatever Host the request claimed."""
        context["public_url"] = settings.PUBLIC_BASE_URL
        request = context.get("request")
        if request is not None:
            claimed = request.build_absolute_uri("/").rstrip("/")
            for name, value in context.items():
                if isinstance(value, str) and value.startswith(claimed + "/"):
                    context[name] = settings.PUBLIC_BASE_URL.rstrip("/") + value.removeprefix(claimed)
        super().send_mail(template_prefix, email, context)
