"""What the OpenAPI document says about every operation: how to sign in, and that errors are problem documents."""

from __future__ import annotations

from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.openapi import AutoSchema

from accounts.api.problems import CONTENT_TYPE

_STATUSES = {
    "400": "The request is wrong.",
    "401": "No valid token or session.",
    "403": "The role or the token does not allow this.",
    "404": "No such object in a workspace of the caller.",
    "409": "The object's state does not allow this.",
}
Document = dict[str, Any]  # OpenAPI: JSON of every shape
_TEXTS = {
    "type": "`urn:signalbox:error:<code>`",
    "title": "What the code means, the same in every case.",
    "detail": "What happened in this case.",
    "code": "Stable; every code stands in docs/errors.md.",
    "what_to_do": "The next step.",
    "trace_id": "Give it to whoever reads the log.",
}
_PROBLEM: Document = {
    "type": "object",
    "description": "A problem document (RFC 9457).",
    "properties": {
        **{name: {"type": "string", "description": text} for name, text in _TEXTS.items()},
        "status": {"type": "integer"},
        "errors": {
            "type": "object",
            "description": "By field, where the request's content is wrong.",
            "additionalProperties": {"type": "array", "items": {"type": "string"}},
        },
    },
    "required": [*_TEXTS, "status"],
}


class ApiTokenScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]  # untyped base
    """`Authorization: Bearer sbx_...`."""

    target_class = "accounts.authentication.ApiTokenAuthentication"
    name = "apiToken"

    def get_security_definition(self, auto_schema: AutoSchema) -> dict[str, str]:  # noqa: ARG002 - spectacular passes it
        """The scheme's entry."""
        return {"type": "http", "scheme": "bearer", "description": "An API token, made on the tokens page."}


def add_problems(result: Document, **_: object) -> Document:
    """Post-processing hook: every operation may answer with a problem document."""
    result.setdefault("components", {}).setdefault("schemas", {})["Problem"] = _PROBLEM
    content = {CONTENT_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    for path in result["paths"].values():
        for operation in path.values():
            for status, meaning in _STATUSES.items():
                operation["responses"].setdefault(status, {"description": meaning, "content": content})
    return result
