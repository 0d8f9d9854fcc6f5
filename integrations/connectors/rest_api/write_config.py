"""How a stream is written, as its settings say it; what cannot be kept is refused here, by name."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Literal

import msgspec

from integrations.connectors.base import WriteMode, WriteRequest
from integrations.domain.guarantee import Guarantee
from integrations.errors import KEY_MISSING, SETTINGS_INVALID, TABLE_INCOMPATIBLE, NeedsPerson

HOLE = re.compile(r"\{([^{}]*)\}")
NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}", re.ASCII)
MOST_RECORDS_A_REQUEST = 5_000


class WriteConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The part `write` of a stream; see `spec.py` for the meaning of each field."""

    method: Literal["POST", "PUT", "PATCH"] = "POST"
    path: str = ""
    records_per_request: int = 1
    record_path: str = ""
    guarantee: Literal["idempotency_key", "upsert_versioned", "append_only"] = "append_only"
    key_header: str = "Idempotency-Key"
    version_field: str = ""
    version_header: str = ""
    results_path: str = ""
    result_status: str = "status"
    result_reason: str = "error"
    result_index: str = ""
    accepted: tuple[str, ...] = ()
    accepted_path: str = ""

    @property
    def promised(self) -> Guarantee:
        return Guarantee(self.guarantee)

    @property
    def holes(self) -> tuple[str, ...]:
        """The fields of the record that stand in the path."""
        return tuple(HOLE.findall(self.path))


def declared_guarantee(settings: Mapping[str, Any], stream: str) -> Guarantee | None:
    """What the settings declare for this stream; None where they say nothing that can be understood."""
    for entry in settings.get("streams") or ():
        if isinstance(entry, dict) and entry.get("name") == stream and isinstance(entry.get("write"), dict):
            found = entry["write"].get("guarantee", Guarantee.APPEND_ONLY)
            return Guarantee(found) if found in tuple(Guarantee) else None
    return None


def require_usable(stream: str, write: WriteConfig, *, own_headers: frozenset[str]) -> None:
    """Refuse settings that contradict themselves, before anything is sent."""
    headers = [name for name in (write.key_header, write.version_header) if name]
    faults = {
        "records_per_request is 1 to 5000": not 1 <= write.records_per_request <= MOST_RECORDS_A_REQUEST,
        "a path with a {field} takes one record a request": bool(write.holes) and write.records_per_request > 1,
        "record_path is for several records a request": bool(write.record_path) and write.records_per_request == 1,
        "idempotency_key needs a key_header": write.promised is Guarantee.IDEMPOTENCY_KEY and not write.key_header,
        "upsert_versioned needs a version_field or a version_header": write.promised is Guarantee.UPSERT_VERSIONED
        and not (write.version_field or write.version_header),
        "a version_header takes one record a request": bool(write.version_header) and write.records_per_request > 1,
        "a header's name holds a character that it cannot hold": not all(NAME.fullmatch(name) for name in headers),
        "the headers of the sign-in cannot be used": any(name.lower() in own_headers for name in headers),
        "the path holds a character that a path cannot hold": _is_odd(write.path),
    }
    for fault, present in faults.items():
        if present:
            raise NeedsPerson(
                SETTINGS_INVALID, f"The setting streams cannot be used: {stream}: write: {fault}.", field="streams"
            )


def require_fitting(write: WriteConfig, request: WriteRequest) -> None:
    """Refuse an integration whose fields or mode the stream cannot be written with."""
    missing = [name for name in write.holes if name not in request.schema.names]
    if missing:
        raise NeedsPerson(
            TABLE_INCOMPATIBLE, f"The path of {request.stream} needs the field {missing[0]!r}, which is not mapped."
        )
    if write.promised is not Guarantee.UPSERT_VERSIONED:
        return
    if request.mode is not WriteMode.UPSERT:
        raise NeedsPerson(
            SETTINGS_INVALID,
            f"{request.stream} is written by versions, which tell newer from older by key; append has no key.",
            what_to_do="Choose the write mode upsert, and the key of the records.",
        )
    unmapped = [name for name in request.key if name not in request.schema.names]
    if not request.key or unmapped:
        raise NeedsPerson(KEY_MISSING, f"{request.stream} is written by versions and needs the key in its fields.")


def _is_odd(path: str) -> bool:
    return any(char.isspace() or not char.isprintable() or char in "\\#" for char in path)
