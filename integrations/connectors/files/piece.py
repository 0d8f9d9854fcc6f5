"""A piece of one file as its reader gives it."""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa

from integrations.connectors.base import BadRecord
from integrations.connectors.files.cursor import Mark


@dataclass(frozen=True)
class Piece:
    """Records and what could not become one, the mark after them, bytes read for them, and bytes of the file so far."""

    records: pa.RecordBatch
    bad: tuple[BadRecord, ...]
    mark: Mark
    read_bytes: int
    file_bytes: int
