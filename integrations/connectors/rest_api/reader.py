"""Reading a stream: pages are asked for one ahead, decoded, and put together into batches with an exact cursor."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime

import pyarrow as pa
from msgspec.structs import replace

from accounts.errors import SignalboxError
from integrations.connectors.base import BadRecord, Batch, ReadRequest
from integrations.connectors.rest_api.answer import Page
from integrations.connectors.rest_api.config import Paging, StreamConfig
from integrations.connectors.rest_api.decode import Decoded, PageDecoder, one_batch
from integrations.connectors.rest_api.incremental import Sweep, WindowState
from integrations.connectors.rest_api.paging import Position, ProgressGuard, Turn, first_position, total_of, turn
from integrations.connectors.rest_api.place import Place, from_cursor, to_cursor
from integrations.connectors.rest_api.schema import infer
from integrations.errors import ANSWER_TOO_LARGE, PAGE_LIMIT, RECORDS_NOT_FOUND, NeedsPerson

# A batch is handed on after this long even where it is small, so that progress shows.
BATCH_SECONDS = 1.0

# A page of many records, each with other fields, becomes a table that is almost empty and far larger than the page.
FREE_CELLS = 4_000_000
BYTES_A_CELL = 2

FetchPage = Callable[[Position, str], Page]


@dataclass(frozen=True)
class Piece:
    """A part of a page that goes into one batch."""

    records: pa.RecordBatch
    bad: tuple[BadRecord, ...]
    first_row: int


@dataclass
class PendingBatch:
    """Pages on their way into one batch."""

    parts: list[pa.RecordBatch] = field(default_factory=list)
    bad: list[BadRecord] = field(default_factory=list)
    rows: int = 0
    read_bytes: int = 0
    place: Place | None = None
    progress: float | None = None
    since: float = 0.0

    def add(self, piece: Piece, read_bytes: int, place: Place, progress: float | None) -> None:
        if not self.has_content:
            self.since = time.monotonic()
        self.parts.append(piece.records)
        self.bad.extend(piece.bad)
        self.rows += piece.records.num_rows
        self.read_bytes += read_bytes
        self.place, self.progress = place, progress

    def seconds_left(self) -> float | None:
        """Until it should be handed on, or None where it holds nothing to show."""
        return max(0.0, self.since + BATCH_SECONDS - time.monotonic()) if self.has_content else None

    @property
    def has_content(self) -> bool:
        return bool(self.rows or self.bad)


class StreamReader:
    """One reading of one stream: `fetch` gets the page at a position, with the value that the sweep asks since."""

    def __init__(
        self,
        stream: StreamConfig,
        paging: Paging,
        request: ReadRequest,
        fetch: FetchPage,
        *,
        url: str,
        hidden: frozenset[str],
        max_pages: int,
    ) -> None:
        self._stream = stream
        self._paging = paging
        self._request = request
        self._fetch = fetch
        self._url = url
        self._hidden = hidden
        self._pages_left = max_pages
        self._start = from_cursor(request.cursor, style=paging.paging, field=request.cursor_field)
        self._sweep = self._make_sweep()
        self._guard = ProgressGuard(self._start.pages, self._start.mark)
        self._count = self._start.count
        self._decoder = None if request.schema is None else PageDecoder(request.schema)
        self._pending = PendingBatch()
        self._progress: float | None = None

    def batches(self) -> Iterator[Batch]:
        """The batches from the cursor on. What was read before an error is handed on before it is raised."""
        if self._start.done:
            return
        executor = ThreadPoolExecutor(1, thread_name_prefix="rest-page")
        try:
            yield from self._pages(executor)
        except SignalboxError:
            if self._pending.has_content:
                yield self._flush()
            raise
        finally:
            executor.shutdown(wait=False, cancel_futures=True)

    @property
    def found_behind(self) -> bool:
        """Whether the sweep that has ended found nothing where the one before it had ended."""
        return self._sweep is not None and self._sweep.found_behind

    def _pages(self, executor: ThreadPoolExecutor) -> Iterator[Batch]:
        first = first_position(self._paging) if self._start.at is None else self._start.at
        here = replace(self._start, at=first, sweep=self._snapshot())
        coming = self._begin(executor, Turn(goes_on=True, position=first))
        while coming is not None:
            page = yield from self._wait_for(coming)
            following = turn(self._paging, page, here.at, self._url, self._hidden)
            self._guard.admit(page, following, self._stream.name)
            there = replace(here, at=following.position, row=0, pages=self._guard.pages, mark=self._guard.mark)
            coming = self._begin(executor, following)
            here = yield from self._take(page, here, there, is_last=not following.goes_on)
        if self._pending.place is not None:
            yield self._flush()

    def _begin(self, executor: ThreadPoolExecutor, following: Turn) -> Future[Page] | None:
        """Start to fetch the page that follows; past the limit the refusal waits behind the page before it.

        A page that leads back is refused with where it leads: there is no cursor after it, so its records must not be
        handed on, or a run that continues would hand them on again.
        """
        if not following.goes_on:
            return None
        self._guard.enter(following.position, self._stream.name)
        try:
            self._count_page()
        except SignalboxError as error:
            refused: Future[Page] = Future()
            refused.set_exception(error)
            return refused
        asked_since = "" if self._sweep is None else self._sweep.asked_since
        return executor.submit(self._fetch, following.position, asked_since)

    def _wait_for(self, coming: Future[Page]) -> Generator[Batch, None, Page]:
        """The page, and meanwhile the pending batch when its time has come."""
        left = self._pending.seconds_left()
        if left is not None:
            try:
                return coming.result(timeout=left)
            except TimeoutError:
                yield self._flush()
        return coming.result()

    def _take(self, page: Page, here: Place, there: Place, *, is_last: bool) -> Generator[Batch, None, Place]:
        """Put the records of a page into batches; between the pieces of a large page the cursor counts its rows.

        `here` is the place of the page, `there` that of the one after it; returns `there` as it is after this page.
        """
        digest = page.digest if here.row or len(page.rows) > self._request.batch_records else ""
        skip = here.row if digest == here.digest else 0
        decoded = self._decode(page)
        self._count += decoded.records.num_rows  # what was counted at `here` is what stood before this page
        after = self._end() if is_last else replace(there, count=self._count, digest="", sweep=self._snapshot())
        if self._pending.rows and self._pending.rows + decoded.records.num_rows > self._request.batch_records:
            yield self._flush()
        progress = self._share(total_of(self._paging, page))
        for piece in _pieces(decoded, skip, self._request.batch_records):
            row = piece.first_row + piece.records.num_rows
            is_end = row >= decoded.records.num_rows
            place = after if is_end else replace(here, row=row, digest=digest)
            self._pending.add(piece, 0 if piece.first_row else page.byte_count, place, progress)
            if not is_end or self._is_full():
                yield self._flush()
        return after

    def _decode(self, page: Page) -> Decoded:
        rows = page.rows if self._sweep is None else self._sweep.take(page.rows)
        if self._decoder is None and page.rows:
            schema = infer(page.rows, self._stream.types)
            if schema is None:
                raise NeedsPerson(RECORDS_NOT_FOUND, f"The list of {self._stream.name} holds no objects.")
            self._decoder = PageDecoder(schema)
        if self._decoder is None:
            return Decoded(pa.RecordBatch.from_pylist([], schema=pa.schema([])), ())
        _require_dense(page, len(self._decoder.schema), self._stream.name)
        return self._decoder.decode(rows)

    def _end(self) -> Place:
        """After the last page: nothing more, or where the next sweep begins."""
        if self._sweep is None:
            return Place(self._paging.paging, self._request.cursor_field, done=True)
        self._sweep.finish()
        return Place(self._paging.paging, self._request.cursor_field, sweep=self._snapshot())

    def _snapshot(self) -> WindowState | None:
        return None if self._sweep is None else self._sweep.state.copy()

    def _flush(self) -> Batch:
        pending, self._pending = self._pending, PendingBatch()
        assert pending.place is not None  # noqa: S101 - callers ask before; tells the type checker
        filled = [part for part in pending.parts if part.num_rows]
        return Batch(
            one_batch(filled, pending.parts[-1].schema),
            to_cursor(pending.place),
            bad=tuple(pending.bad),
            read_bytes=pending.read_bytes,
            progress=pending.progress,
        )

    def _is_full(self) -> bool:
        full = self._pending.rows >= self._request.batch_records
        return full or self._pending.read_bytes >= self._request.batch_bytes or self._pending.seconds_left() == 0

    def _share(self, total: int | None) -> float | None:
        if total is not None:
            self._progress = max(self._progress or 0.0, min(1.0, self._count / total))
        return self._progress

    def _count_page(self) -> None:
        if self._pages_left == 0:
            raise NeedsPerson(PAGE_LIMIT, f"The reading of {self._stream.name} reached its limit of pages.")
        self._pages_left -= 1

    def _make_sweep(self) -> Sweep | None:
        name = self._request.cursor_field
        if not name:
            return None
        asks = bool(self._stream.cursor_param) and name == self._stream.cursor_field
        state = self._start.sweep or WindowState()
        return Sweep(name, self._stream.overlap_seconds, not asks, datetime.now(UTC), state.copy())


def _pieces(decoded: Decoded, skip: int, size: int) -> Iterator[Piece]:
    """The records of a page from row `skip` on, at most `size` at a time; what is bad comes with the first row."""
    total = decoded.records.num_rows
    for first in range(skip, max(total, skip + 1), size):
        yield Piece(decoded.records.slice(first, size), decoded.bad if first == 0 else (), first)


def _require_dense(page: Page, columns: int, where: str) -> None:
    cells = len(page.rows) * columns
    if cells > max(FREE_CELLS, page.byte_count // BYTES_A_CELL):
        raise NeedsPerson(
            ANSWER_TOO_LARGE,
            f"{len(page.rows):,} records of {where} with {columns:,} columns are a table far larger than the answer.",
            what_to_do="Ask for smaller pages, or correct the record path: values may have been taken for names.",
        )
