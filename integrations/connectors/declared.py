"""What a connector plugin declares of itself: its settings, the kinds of credentials it takes, what it can do."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from integrations.domain.guarantee import Guarantee


class SettingKind(StrEnum):
    """How a setting is entered and checked; the form is made from it."""

    TEXT = "text"
    INTEGER = "integer"
    BOOLEAN = "boolean"
    CHOICE = "choice"
    URL = "url"
    PATH = "path"
    JSON = "json"


@dataclass(frozen=True)
class Setting:
    """One declared setting of a connector; the form, the validation and the API schema follow from it.

    `shown_when` names another setting and the values of it for which this one matters, e.g. ("paging", ("page",)).
    `example` is shown in the empty field.
    """

    name: str
    label: str
    kind: SettingKind = SettingKind.TEXT
    required: bool = False
    default: Any = None
    help: str = ""
    choices: tuple[tuple[str, str], ...] = ()
    minimum: int | None = None
    maximum: int | None = None
    shown_when: tuple[str, tuple[str, ...]] | None = None
    example: Any = None


@dataclass(frozen=True)
class CredentialKind:
    """A kind of credential and its fields; a secret field is write-only everywhere."""

    key: str
    label: str
    fields: tuple[Setting, ...]
    secret_fields: frozenset[str]


@dataclass(frozen=True)
class PluginSpec:
    """What a plugin declares of itself.

    `parallel_writes` says that several writers of one stream, each with an owner of its own, get on at the same time.
    """

    key: str
    label: str
    description: str
    icon: str
    settings: tuple[Setting, ...]
    credential_kinds: tuple[str, ...] = ()
    credential_required: bool = False
    reads: bool = False
    writes: bool = False
    guarantee: Guarantee | None = None
    # Where streams differ: what the settings declare for a stream of this name, None where they say nothing.
    stream_guarantee: Callable[[Mapping[str, Any], str], Guarantee | None] | None = None
    parallel_writes: bool = False
