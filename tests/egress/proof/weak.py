"""The guard, opened on purpose: each way in which it could be weak must be seen by the proof."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx2
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from integrations.connectors.postgres.settings import PostgresSettings
from integrations.egress import guard


def _judge_nothing() -> None:
    guard._require = lambda *_args, **_kwargs: None


def _check_once_and_resolve_again() -> None:
    """A verdict that is remembered by the name, and a driver that looks the name up again."""
    judge, conninfo = guard._require, PostgresSettings.conninfo
    seen: set[str] = set()

    def once(address: Any, where: str, *, allowed: bool) -> None:
        if where not in seen:
            judge(address, where, allowed=allowed)
        seen.add(where)

    def without_address(self: PostgresSettings, *args: Any) -> str:
        options = conninfo_to_dict(conninfo(self, *args))
        return make_conninfo(**{name: str(value) for name, value in options.items() if name != "hostaddr"})

    guard._require = once
    PostgresSettings.conninfo = without_address  # type: ignore[assignment,method-assign]


def _follow_redirects() -> None:
    make = httpx2.Client.__init__

    def following(self: httpx2.Client, **given: Any) -> None:
        make(self, **{**given, "follow_redirects": True})

    httpx2.Client.__init__ = following  # type: ignore[method-assign]
    _judge_nothing()


# The narrowest first: what was opened stays open.
WAYS: dict[str, Callable[[], None]] = {
    "rebind": _check_once_and_resolve_again,
    "redirect": _follow_redirects,
    "direct": _judge_nothing,
}
