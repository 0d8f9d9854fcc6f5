"""The root of the error tree: what went wrong, said so that a person can act.

SignalboxError
├── Invalid        the input is wrong: correct it and send it again        (HTTP 400)
├── Denied         the caller may not do this                              (HTTP 403)
├── NotFound       there is no such object in this workspace               (HTTP 404)
└── Conflict       the object is not in a state that allows this           (HTTP 409)

`integrations.errors` adds the branches that a run needs. Every code stands in a `CATALOGUE`, from which
`docs/errors.md` is generated.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True)
class ErrorCode:
    """One line of the catalogue: a stable code, what it means, and what to do about it."""

    code: str
    meaning: str
    what_to_do: str


CATALOGUE: dict[str, ErrorCode] = {}


def declare(code: str, meaning: str, what_to_do: str) -> str:
    """Enter a code in the catalogue and return it; a code is declared once, at import."""
    if code in CATALOGUE:
        raise ValueError(f"error code {code!r} is declared twice")
    CATALOGUE[code] = ErrorCode(code, meaning, what_to_do)
    return code


class SignalboxError(Exception):
    """An error that a person can meet: a declared code, this case's message, and what to do.

    `what_to_do` defaults to the catalogue's sentence; `detail` carries plain values for the log and the API,
    never a secret.
    """

    status: ClassVar[int] = 500

    def __init__(self, code: str, message: str, *, what_to_do: str = "", **detail: object) -> None:
        self.code = code
        self.message = message
        self.what_to_do = what_to_do or CATALOGUE[code].what_to_do
        self.detail = detail
        super().__init__(message)

    def __str__(self) -> str:
        return f"{self.message} {self.what_to_do}".strip()


class Invalid(SignalboxError):
    """The input is wrong; `fields` maps a field name to its message."""

    status = 400

    def __init__(
        self, code: str, message: str, *, fields: dict[str, str] | None = None, what_to_do: str = "", **detail: object
    ) -> None:
        super().__init__(code, message, what_to_do=what_to_do, **detail)
        self.fields = fields or {}

    def __str__(self) -> str:
        named = " ".join(f"{name}: {problem}" for name, problem in self.fields.items())
        return f"{self.message} {named or self.what_to_do}"


class Denied(SignalboxError):
    """The caller is known and may not do this."""

    status = 403


class NotFound(SignalboxError):
    """No such object in this workspace."""

    status = 404


class Conflict(SignalboxError):
    """The object's present state does not allow this change."""

    status = 409


INPUT_INVALID = declare(
    "input_invalid", "A value in the request cannot be used.", "Correct the named field and send it again."
)
PERMISSION_DENIED = declare(
    "permission_denied",
    "Your role does not allow this.",
    "Ask an owner or admin of the workspace for a role that does.",
)
NOT_FOUND = declare(
    "not_found", "There is no such object in this workspace.", "Check the address; it may have been removed."
)
STATE_CONFLICT = declare(
    "state_conflict", "The object has changed or is not in a state that allows this.", "Reload it and try again."
)
NAME_TAKEN = declare("name_taken", "Another object of this workspace has that name.", "Choose another name.")
