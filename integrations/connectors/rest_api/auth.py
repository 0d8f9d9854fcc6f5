"""How a credential is put into a request: headers or parameters, made once and never shown."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field

from integrations.connectors.rest_api.config import HEADER_NAME
from integrations.errors import CREDENTIAL_MISSING, CREDENTIAL_REFUSED, NeedsPerson


@dataclass(frozen=True)
class SignIn:
    """What is added to every request. `params` never stand in a cursor or a message."""

    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    params: tuple[tuple[str, str], ...] = field(default=(), repr=False)


def sign_in(kind: str, values: Mapping[str, str]) -> SignIn:
    """The additions for a credential of this kind; "" is none."""
    if not kind:
        return SignIn()
    if kind == "bearer":
        return SignIn({"authorization": f"Bearer {_sendable(values, 'token')}"})
    if kind == "basic":
        return SignIn({"authorization": _basic(values.get("username", ""), values.get("password", ""))})
    if kind == "api_key":
        return _api_key(values)
    raise NeedsPerson(CREDENTIAL_MISSING, f"A REST API cannot sign in with a credential of the kind {kind!r}.")


def _api_key(values: Mapping[str, str]) -> SignIn:
    name, key = values.get("name", ""), _sendable(values, "key")
    if values.get("placement") == "query":
        return SignIn(params=((name, key),))
    if not HEADER_NAME.fullmatch(name):
        raise NeedsPerson(CREDENTIAL_REFUSED, "The credential's name cannot be the name of a header.")
    return SignIn({name.lower(): key})


def _basic(username: str, password: str) -> str:
    if ":" in username:
        raise NeedsPerson(CREDENTIAL_REFUSED, "The user name holds a colon, which basic sign-in cannot send.")
    return "Basic " + base64.b64encode(f"{username}:{password}".encode()).decode("ascii")


def _sendable(values: Mapping[str, str], name: str) -> str:
    value = values.get(name, "")
    if not value:
        raise NeedsPerson(CREDENTIAL_MISSING, f"The credential has no {name}.")
    if any(not " " < char < "\x7f" for char in value):
        raise NeedsPerson(CREDENTIAL_REFUSED, f"The credential's {name} holds a character that cannot be sent.")
    return value
