"""How one page leads to the next, and the guard that sees when it does not.

A position is what the cursor stores of a place in the paging: a page number, an offset, the other side's cursor, or
the path of the next address; None is the first page of the styles that have no number.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any
from urllib.parse import parse_qsl, urlencode, urljoin, urlsplit, urlunsplit

from integrations.connectors.rest_api.answer import Page, value_at
from integrations.connectors.rest_api.config import Paging
from integrations.egress import parse_url
from integrations.errors import ANSWER_UNDECODABLE, PAGINATION_NO_PROGRESS, REDIRECT_REFUSED, NeedsPerson

Position = int | str | None
# This many empty pages in a row, with another page announced after each, are no progress.
EMPTY_PAGES = 3
LINK = re.compile(r"<(?P<target>[^<>]{1,8192})>(?P<parameters>[^<>]{0,1000})", re.ASCII)
REL_NEXT = re.compile(r";\s*rel\s*=\s*(\"([^\"]*\s)?next(\s[^\"]*)?\"|next\b)", re.ASCII | re.IGNORECASE)


def first_position(paging: Paging) -> Position:
    """Where a sweep begins."""
    return {"page": paging.page_start, "offset": 0}.get(paging.paging)


def request_for(
    paging: Paging, url: str, params: list[tuple[str, str]], at: Position
) -> tuple[str, list[tuple[str, str]]]:
    """The address and the parameters of the page at `at`; `url` and `params` are the stream's own."""
    if paging.paging in {"link", "next_url"} and at is not None:
        path, _, query = str(at).partition("?")
        # Joined by parts: a path such as //host/x would take urljoin to another host.
        return urlunsplit(urlsplit(url)._replace(path=path, query=query)), []
    sized = list(params)
    if paging.paging != "none" and paging.size_param:
        sized.append((paging.size_param, str(paging.page_size)))
    name = {"page": paging.page_param, "offset": paging.offset_param, "cursor": paging.cursor_param}.get(paging.paging)
    if name is not None and at is not None:
        sized.append((name, str(at)))
    return url, sized


@dataclass(frozen=True)
class Turn:
    """Where the paging goes after a page: on to `position`, or nowhere."""

    goes_on: bool
    position: Position = None


END = Turn(goes_on=False)


def turn(paging: Paging, page: Page, at: Position, url: str, hidden: frozenset[str]) -> Turn:
    """What follows `page`, which was read at `at` from `url`; parameters named in `hidden` are never kept."""
    if paging.paging in {"page", "offset"} and isinstance(at, int):
        return _counted(paging, len(page.rows), at)
    if paging.paging == "cursor":
        return _by_cursor(value_at(page.envelope, paging.next_path))
    if paging.paging == "link":
        return _by_address(_link_next(page.headers.get("link", "")), url, hidden)
    if paging.paging == "next_url":
        return _by_address(value_at(page.envelope, paging.next_path), url, hidden)
    return END


def total_of(paging: Paging, page: Page) -> int | None:
    """How many records the answer says there are."""
    total = value_at(page.envelope, paging.total_path) if paging.total_path else None
    return total if isinstance(total, int) and not isinstance(total, bool) and total > 0 else None


@dataclass
class ProgressGuard:
    """Sees a source that goes round in circles: by the records, by the position, and by empty pages.

    Within one reading it knows every position and the records of every page. Across readings (slices of a run) it
    goes on with `pages` and `mark` from the cursor: the position at the last power of two, so that a circle of any
    length is met at last (Brent, 1980).
    """

    pages: int = 0
    mark: str = ""
    _positions: set[str] = field(default_factory=set)
    _digests: set[str] = field(default_factory=set)
    _empty: int = 0

    def enter(self, at: Position, where: str) -> None:
        """Before a page is asked for at `at`."""
        token = blake2b(repr(at).encode(), digest_size=8).hexdigest()
        if token in self._positions or token == self.mark:
            raise no_progress(f"The paging of {where} came back to a page that was read before.")
        self._positions.add(token)
        self.pages += 1
        if self.pages & (self.pages - 1) == 0:
            self.mark = token

    def admit(self, page: Page, following: Turn, where: str) -> None:
        """After a page was read and before its records are used."""
        self._empty = 0 if page.rows else self._empty + 1
        if self._empty >= EMPTY_PAGES and following.goes_on:
            raise no_progress(f"The source gave {EMPTY_PAGES} empty pages of {where} in a row and announced another.")
        if page.rows and page.digest in self._digests:
            raise no_progress(f"The source gave the same page of {where} again under another number or cursor.")
        if page.rows:
            self._digests.add(page.digest)


def no_progress(message: str) -> NeedsPerson:
    return NeedsPerson(PAGINATION_NO_PROGRESS, message)


def _counted(paging: Paging, count: int, at: int) -> Turn:
    if count == 0 or (paging.last_page == "short" and count < paging.page_size):
        return END
    return Turn(goes_on=True, position=at + (1 if paging.paging == "page" else count))


def _by_cursor(value: Any) -> Turn:
    if value is None or value is False or value == "":
        return END
    if not isinstance(value, int | str) or value is True:
        raise NeedsPerson(ANSWER_UNDECODABLE, "The next cursor in the answer is neither a text nor a number.")
    return Turn(goes_on=True, position=value)


def _by_address(value: Any, url: str, hidden: frozenset[str]) -> Turn:
    if value is None or value is False or value == "":
        return END
    if not isinstance(value, str):
        raise NeedsPerson(ANSWER_UNDECODABLE, "The next address in the answer is not a text.")
    target = urljoin(url, value)
    if parse_url(target) != parse_url(url):
        raise NeedsPerson(
            REDIRECT_REFUSED,
            "The next address in the answer leads to another scheme, host or port; it was not followed.",
            what_to_do="Correct the base address of the connector so that it is the one that the API answers with.",
        )
    parts = urlsplit(target)
    query = parts.query
    if hidden:
        query = urlencode([pair for pair in parse_qsl(query, keep_blank_values=True) if pair[0] not in hidden])
    path = parts.path or "/"
    return Turn(goes_on=True, position=f"{path}?{query}" if query else path)


def _link_next(header: str) -> str | None:
    """The target of rel="next" in a Link header (RFC 8288)."""
    for match in LINK.finditer(header):
        if REL_NEXT.search(match["parameters"]):
            return match["target"]
    return None
