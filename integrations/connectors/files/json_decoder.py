"""JSON Lines: blocks of whole lines into typed record batches.

The fast way is Arrow's JSON reader with the pinned types. A block that it refuses (an object or list where text is
pinned, a broken line, a wrong type) is decoded line by line: objects and lists become their JSON text, text that
reads as the pinned type is taken as it, and only what still does not fit becomes a `BadRecord`.
"""

from __future__ import annotations

import msgspec
import pyarrow as pa
import pyarrow.json as pa_json

from integrations.connectors.base import BadRecord
from integrations.connectors.files.arrow import no_rows, reader_of
from integrations.connectors.files.boundary import LineCutter
from integrations.connectors.files.content import Content, unreadable, utf8
from integrations.connectors.files.convert import RAW_LIMIT, typed_records
from integrations.connectors.files.cursor import Mark
from integrations.connectors.files.infer import infer_json
from integrations.connectors.files.sniff import BOM, check_head

HEAD_BYTES = 4 * 1024 * 1024
NULL = b"null"


class JsonDecoder:
    """Knows the columns of one JSON Lines file: call `start` first, which reads its head."""

    def __init__(self, schema: pa.Schema | None) -> None:
        self._schema = schema
        self._is_nested = False
        self.cutter = LineCutter()

    @property
    def schema(self) -> pa.Schema:
        """Return the schema of what is read; known after `start`."""
        if self._schema is None:
            raise RuntimeError("start() comes first")
        return self._schema

    def start(self, content: Content) -> Mark:
        """Read the head of a freshly opened file and, where no schema is pinned, its types; return the first mark."""
        head = content.read(HEAD_BYTES)
        check_head(head, content)
        text = head.removeprefix(BOM)
        if text.lstrip().startswith(b"["):
            raise unreadable(content.name, "it is one JSON list; JSON Lines has one object on each line")
        content.passed(head[: len(head) - len(text)])
        if self._schema is None:
            self._schema = self._inferred(text, content)
        return Mark(content.identity, content.offset, content.crc)

    def _inferred(self, text: bytes, content: Content) -> pa.Schema:
        is_whole = len(text) < HEAD_BYTES - len(BOM)
        lines = utf8(text if is_whole else text[: self.cutter.cut(text)], content).splitlines()
        schema = infer_json(lines)
        if not schema.names and any(line.strip() for line in lines):
            raise unreadable(content.name, "none of its first lines is a JSON object")
        return schema

    def decode(self, data: bytes, content: Content, *, is_last: bool) -> tuple[pa.RecordBatch, tuple[BadRecord, ...]]:  # noqa: ARG002 - a line needs no end
        """Return the records of a block and what could not become one."""
        block = utf8(data, content)
        records = None if self._is_nested else self._decode_fast(block)
        if records is not None:
            return records, ()
        lines = [line for line in block.split(b"\n") if line.strip()]
        return self._decode_lines(lines)

    def _decode_fast(self, block: bytes) -> pa.RecordBatch | None:
        if not block.strip() or not self.schema.names:
            return no_rows(self.schema) if not block.strip() else None
        try:
            table = pa_json.read_json(
                reader_of(block),
                pa_json.ReadOptions(use_threads=False, block_size=len(block) + 1),
                pa_json.ParseOptions(explicit_schema=self.schema, unexpected_field_behavior="ignore"),
            )
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError, UnicodeDecodeError) as error:
            self._is_nested = "from string to" in str(error)
            return None
        # Two objects on one line, or one over two lines, are no JSON Lines: the careful way tells.
        if table.num_rows != block.count(b"\n") + (not block.endswith(b"\n")):
            return None
        return table.select(self.schema.names).combine_chunks().to_batches()[0]

    def _decode_lines(self, lines: list[bytes]) -> tuple[pa.RecordBatch, tuple[BadRecord, ...]]:
        decoder = msgspec.json.Decoder(dict[str, msgspec.Raw])
        rows, kept, bad = [], [], []
        for line in lines:
            try:
                rows.append(decoder.decode(line))
                kept.append(line)
            except msgspec.DecodeError as error:
                bad.append(BadRecord(line[:RAW_LIMIT].decode(errors="replace"), f"is not a JSON object: {error}"))
        texts = [pa.array([_text_of(row.get(field.name)) for row in rows], pa.string()) for field in self.schema]
        records, wrong = typed_records(
            texts, self.schema, (), lambda row: kept[row][:RAW_LIMIT].decode(errors="replace")
        )
        return records, tuple(bad) + wrong


def _text_of(raw: msgspec.Raw | None) -> str | None:
    """Return a JSON value as text: text as it is, no value as None, all else as it is written."""
    if raw is None or (written := bytes(raw)) == NULL:
        return None
    return msgspec.json.decode(written, type=str) if written[:1] == b'"' else written.decode()
