"""What the files connector is told: its declared settings, and their checked form."""

from __future__ import annotations

import codecs
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from integrations.connectors.base import Setting, SettingKind
from integrations.errors import SETTINGS_INVALID, NeedsPerson


class FileFormat(StrEnum):
    """The shape of the files."""

    CSV = "csv"
    JSONL = "jsonl"
    PARQUET = "parquet"


ENCODINGS: tuple[tuple[str, str], ...] = (
    ("utf-8", "UTF-8"),
    ("latin-1", "Latin-1 (ISO 8859-1)"),
    ("iso-8859-15", "Latin-9 (ISO 8859-15)"),
    ("cp1252", "Windows-1252"),
    ("cp1250", "Windows-1250"),
    ("cp1251", "Windows-1251"),
    ("shift_jis", "Shift JIS"),
    ("gb18030", "GB 18030"),
    ("utf-16", "UTF-16"),
)
# A byte below 0x80 may be the second half of a character here, or a line end may be wider than one byte.
NOT_SPLITTABLE = frozenset({"utf-16", "shift_jis", "gb18030"})
DELIMITERS: tuple[tuple[str, str], ...] = (
    (",", "Comma"),
    (";", "Semicolon"),
    ("\t", "Tab"),
    ("|", "Vertical bar"),
    (":", "Colon"),
    (" ", "Space"),
)
ONLY_CSV = ("format", (FileFormat.CSV.value,))
ONLY_TEXT = ("format", (FileFormat.CSV.value, FileFormat.JSONL.value))

SETTINGS: tuple[Setting, ...] = (
    Setting(
        "format",
        "Format",
        SettingKind.CHOICE,
        required=True,
        default=FileFormat.CSV.value,
        choices=(("csv", "CSV"), ("jsonl", "JSON Lines"), ("parquet", "Parquet")),
        help="A name that ends in .gz is read and written compressed (CSV and JSON Lines).",
    ),
    Setting(
        "path",
        "Folder",
        SettingKind.PATH,
        default="",
        help="Below the folder that this instance allows; empty for that folder itself. Links are not followed.",
    ),
    Setting(
        "pattern",
        "File names",
        default="*",
        help="Which files are offered, for example orders-*.csv. The pattern is itself a stream: all its files in name "
        "order, which must have one shape.",
    ),
    Setting("delimiter", "Delimiter", SettingKind.CHOICE, default=",", choices=DELIMITERS, shown_when=ONLY_CSV),
    Setting(
        "header",
        "First line holds the column names",
        SettingKind.BOOLEAN,
        default=True,
        help="Without it the columns are called column_1, column_2 and so on.",
        shown_when=ONLY_CSV,
    ),
    Setting("encoding", "Encoding", SettingKind.CHOICE, default="utf-8", choices=ENCODINGS, shown_when=ONLY_TEXT),
    Setting(
        "null_text",
        "Text for no value",
        default="",
        help='Outside quotes this text means "no value"; inside quotes it is text.',
        shown_when=ONLY_CSV,
    ),
    Setting(
        "escape_formulas",
        "Disarm formulas when writing",
        SettingKind.BOOLEAN,
        default=True,
        help="Text that a spreadsheet would run (it starts with = + - @ or a control character) gets an apostrophe in "
        "front. Numbers stay as they are.",
        shown_when=ONLY_CSV,
    ),
)


@dataclass(frozen=True)
class FileSettings:
    """The settings, checked. `pattern` matches plain file names."""

    format: FileFormat
    path: str
    pattern: str
    delimiter: str
    header: bool
    encoding: str
    null_text: str
    escape_formulas: bool

    @property
    def is_splittable(self) -> bool:
        """Say whether a line end and a quote are always one byte of their own in this encoding."""
        return self.encoding not in NOT_SPLITTABLE


def parse_settings(values: Mapping[str, Any]) -> FileSettings:
    """Return the checked settings, or raise `NeedsPerson(SETTINGS_INVALID)` that names the wrong one."""
    unknown = sorted(set(values) - {setting.name for setting in SETTINGS})
    if unknown:
        raise _invalid(unknown[0], "is not a setting of this connector")
    given = {setting.name: _checked(setting, values.get(setting.name)) for setting in SETTINGS}
    encoding = codecs.lookup(given["encoding"]).name
    settings = FileSettings(
        **{**given, "format": FileFormat(given["format"]), "pattern": given["pattern"] or "*", "encoding": encoding}
    )
    _check_text(settings)
    return settings


def _check_text(settings: FileSettings) -> None:
    if any(mark in settings.pattern for mark in "/\\\0"):
        raise _invalid("pattern", "matches file names of one folder; a slash cannot stand in it")
    if any(mark in settings.null_text for mark in ('"', "\n", "\r", settings.delimiter)):
        raise _invalid("null_text", "cannot hold a quote, a delimiter or a line end")


def _checked(setting: Setting, value: Any) -> Any:  # a setting's value is any JSON value until it is checked here
    if value is None:
        return setting.default
    if setting.kind is SettingKind.BOOLEAN:
        if not isinstance(value, bool):
            raise _invalid(setting.name, "must be yes or no")
        return value
    if not isinstance(value, str):
        raise _invalid(setting.name, "must be text")
    choices = [choice for choice, _ in setting.choices]
    if choices and value not in choices:
        raise _invalid(setting.name, f"must be one of: {', '.join(repr(choice) for choice in choices)}")
    return value


def _invalid(name: str, why: str) -> NeedsPerson:
    return NeedsPerson(SETTINGS_INVALID, f"The setting {name!r} {why}.", setting=name)
