"""Checks the values of declared settings; forms, API and services share this one rule."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from math import isfinite
from typing import Any, Protocol, TypeAlias


class DeclaredSetting(Protocol):
    """What is needed of `connectors.base.Setting` here."""

    @property
    def name(self) -> str: ...
    @property
    def label(self) -> str: ...
    @property
    def kind(self) -> str: ...
    @property
    def required(self) -> bool: ...
    @property
    def default(self) -> Any: ...  # a setting's value is what its kind says
    @property
    def choices(self) -> tuple[tuple[str, str], ...]: ...
    @property
    def minimum(self) -> int | None: ...
    @property
    def maximum(self) -> int | None: ...
    @property
    def shown_when(self) -> tuple[str, tuple[str, ...]] | None: ...


# A setting's value is what its kind says, hence Any.
Converter: TypeAlias = Callable[[DeclaredSetting, Any], Any]


def clean_settings(
    declared: Sequence[DeclaredSetting], values: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, str]]:
    """Return the values in their own types with defaults filled in, and the problems by setting name."""
    known = {setting.name for setting in declared}
    problems = {name: "This connector has no such setting." for name in values if name not in known}
    clean: dict[str, Any] = {}
    for setting in declared:
        value = values.get(setting.name)
        value = setting.default if value is None or value == "" else value
        if setting.shown_when and str(clean.get(setting.shown_when[0], "")) not in setting.shown_when[1]:
            continue
        if value is None or value == "":
            if setting.required:
                problems[setting.name] = f"{setting.label} is required."
            continue
        try:
            convert: Converter = _CONVERTERS.get(str(setting.kind), _text)
            clean[setting.name] = convert(setting, value)
        except ValueError as error:
            problems[setting.name] = str(error)
    return clean, problems


def _text(setting: DeclaredSetting, value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{setting.label} is a text.")  # noqa: TRY004 - the message at the form's field
    if "\x00" in value:
        raise ValueError(f"{setting.label} must not contain a NUL character.")
    return value


def _integer(setting: DeclaredSetting, value: Any) -> int:
    try:
        number = int(str(value))
    except ValueError:
        raise ValueError(f"{setting.label} is a whole number.") from None
    low, high = setting.minimum, setting.maximum
    if (low is not None and number < low) or (high is not None and number > high):
        raise ValueError(f"{setting.label} is between {low} and {high}.")
    return number


def _boolean(setting: DeclaredSetting, value: Any) -> bool:
    known = {"true": True, "on": True, "1": True, "false": False, "off": False, "0": False}
    text = str(value).lower()
    if text not in known:
        raise ValueError(f"{setting.label} is yes or no.")
    return known[text]


def _choice(setting: DeclaredSetting, value: Any) -> str:
    allowed = [key for key, _ in setting.choices]
    if value not in allowed:
        raise ValueError(f"{setting.label} is one of: {', '.join(allowed)}.")
    return str(value)


def _json(setting: DeclaredSetting, value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        parsed = json.loads(value)
        can_be_stored = _can_be_stored(parsed)
    except json.JSONDecodeError as error:
        place = f"in line {error.lineno}, column {error.colno}"
        raise ValueError(f"{setting.label} is not JSON: {error.msg} {place}.") from None
    except RecursionError:
        raise ValueError(f"{setting.label} is nested too deeply.") from None
    if not can_be_stored:
        raise ValueError(f"{setting.label} holds a character or number that cannot be stored.")
    return parsed


def _can_be_stored(value: Any) -> bool:
    """Say whether a database takes this JSON: no NUL, no half of a character pair, no endless number."""
    if isinstance(value, str):
        return not any("\ud800" <= letter <= "\udfff" or letter == "\x00" for letter in value)
    if isinstance(value, dict):
        return all(_can_be_stored(name) and _can_be_stored(inner) for name, inner in value.items())
    if isinstance(value, list):
        return all(map(_can_be_stored, value))
    return not isinstance(value, float) or isfinite(value)


def _url(setting: DeclaredSetting, value: Any) -> str:
    text = _text(setting, value).strip()
    if not text.startswith(("https://", "http://")):
        raise ValueError(f"{setting.label} begins with https:// or http://.")
    return text


_CONVERTERS: dict[str, Converter] = {
    "integer": _integer,
    "boolean": _boolean,
    "choice": _choice,
    "json": _json,
    "url": _url,
}
