"""Signs API requests in by `Authorization: Bearer sbx_...`."""

from __future__ import annotations

import hmac

from django.conf import settings
from django.utils import timezone
from rest_framework.authentication import BaseAuthentication, get_authorization_header
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from accounts.domain import token_format
from accounts.models import ApiToken, User
from accounts.services import tokens

_UNKNOWN_HASH = "0" * 64


class ApiTokenAuthentication(BaseAuthentication):
    """One answer for every wrong token, and the same work for an unknown one as for a wrong one."""

    keyword = "Bearer"

    def authenticate(self, request: Request) -> tuple[User, ApiToken] | None:
        """The token's creator and the token; None where the request carries no bearer."""
        scheme, _, given = get_authorization_header(request).partition(b" ")
        if scheme.lower() != self.keyword.lower().encode():
            return None
        token = find_token(given.decode("latin-1").strip())
        if token is None:
            raise AuthenticationFailed("The token is unknown, mistyped, expired or revoked. Make a new one.")
        tokens.mark_used(token=token)
        return token.creator, token

    def authenticate_header(self, request: Request) -> str:  # noqa: ARG002 - DRF passes it
        """What a 401 asks for."""
        return f'{self.keyword} realm="api"'


def find_token(text: str) -> ApiToken | None:
    """The usable token of that text, if its creator is still active and a member of its workspace."""
    parts = token_format.parse(text)
    if parts is None:
        return None
    token = ApiToken.objects.select_related("creator", "workspace").filter(key_id=parts.key_id).first()
    given = token_format.digest(settings.TOKEN_PEPPER, parts.secret)
    matches = hmac.compare_digest(given, token.secret_hash if token else _UNKNOWN_HASH)
    if token is None or not matches or not token.is_usable(timezone.now()):
        return None
    if not token.creator.is_active or not token.workspace.memberships.filter(user=token.creator).exists():
        return None
    return token
