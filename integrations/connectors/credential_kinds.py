"""The kinds of credentials, their fields, and which of them are secret; forms and redaction follow from here."""

from __future__ import annotations

from integrations.connectors.base import CredentialKind, Setting, SettingKind

CREDENTIAL_KINDS: dict[str, CredentialKind] = {
    kind.key: kind
    for kind in (
        CredentialKind(
            key="bearer",
            label="Bearer token",
            fields=(Setting("token", "Token", required=True, help="Sent as “Authorization: Bearer …”."),),
            secret_fields=frozenset({"token"}),
        ),
        CredentialKind(
            key="api_key",
            label="API key",
            fields=(
                Setting(
                    "name",
                    "Name",
                    required=True,
                    default="X-API-Key",
                    help="The header or parameter that carries the key.",
                ),
                Setting(
                    "placement",
                    "Sent in",
                    kind=SettingKind.CHOICE,
                    required=True,
                    default="header",
                    choices=(("header", "Header"), ("query", "Query parameter")),
                ),
                Setting("key", "Key", required=True),
            ),
            secret_fields=frozenset({"key"}),
        ),
        CredentialKind(
            key="basic",
            label="User name and password",
            fields=(Setting("username", "User name", required=True), Setting("password", "Password")),
            secret_fields=frozenset({"password"}),
        ),
    )
}
