"""Template words, addresses of clients, names of people."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.test import RequestFactory
from pytest_django import Settings

from accounts.client_address import client_ip
from accounts.models import User
from accounts.templatetags import signalbox

NOW = datetime(2026, 11, 21, 12, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("delta", "words"),
    [
        (timedelta(seconds=2), "just now"),
        (timedelta(seconds=-2), "just now"),
        (timedelta(seconds=40), "40 s ago"),
        (timedelta(minutes=3, seconds=50), "3 min ago"),
        (timedelta(hours=5), "5 h ago"),
        (timedelta(days=3), "3 d ago"),
        (timedelta(days=-3), "in 3 d"),
        (timedelta(days=40), "2026-10-12"),
    ],
)
def test_a_time_is_told_from_now(delta: timedelta, words: str) -> None:
    assert signalbox.relative(NOW - delta, NOW) == words


def test_a_time_carries_its_exact_moment() -> None:
    shown = signalbox.reltime(NOW)
    assert '<time datetime="2026-11-21T12:00:00.000Z" title="2026-11-21 12:00:00 UTC" data-reltime>' in shown


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (0.34, "340 ms"),
        (2.44, "2.4 s"),
        (185, "3 min 05 s"),
        (timedelta(hours=1, minutes=2), "1 h 02 min"),
        (None, "–"),  # noqa: RUF001 - the dash that the page shows
    ],
)
def test_a_duration_has_units(value: float | timedelta | None, words: str) -> None:
    assert signalbox.duration(value) == words


@pytest.mark.parametrize(
    ("value", "words"),
    [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (999_960, "1.0 MB"), (1_400_000, "1.4 MB"), (2e18, "2000.0 PB")],
)
def test_a_size_has_units(value: float, words: str) -> None:
    assert signalbox.bytes_(value) == words


def test_a_number_is_parted_by_narrow_spaces() -> None:
    assert signalbox.number(1234567) == "1\u202f234\u202f567"


@pytest.mark.parametrize("word", [signalbox.reltime, signalbox.bytes_, signalbox.number, signalbox.short_id])
def test_nothing_is_shown_as_a_dash(word: object) -> None:
    assert callable(word)
    assert word(None) == "–"  # noqa: RUF001 - the dash that the page shows


def test_a_short_id_is_the_part_that_differs() -> None:
    assert signalbox.short_id("01a1fe07-7346-7550-94ed-fea4011a03c5") == "011a03c5"


@pytest.mark.parametrize(
    ("proxies", "forwarded", "expected"),
    [
        (0, "198.51.100.1", "203.0.113.9"),
        (1, "198.51.100.1", "198.51.100.1"),
        (1, "10.9.9.9, 198.51.100.1", "198.51.100.1"),
        (2, "198.51.100.1, 192.0.2.1", "198.51.100.1"),
        (2, "198.51.100.1", "203.0.113.9"),
        (1, "nonsense", "203.0.113.9"),
        (1, "", "203.0.113.9"),
    ],
)
def test_only_our_own_proxies_are_believed(settings: Settings, proxies: int, forwarded: str, expected: str) -> None:
    settings.TRUSTED_PROXY_COUNT = proxies
    request = RequestFactory().get("/", REMOTE_ADDR="203.0.113.9", HTTP_X_FORWARDED_FOR=forwarded)
    assert client_ip(request) == expected


@pytest.mark.parametrize(
    ("name", "email", "initials"),
    [("Ada Lovelace", "a@x", "AL"), ("", "ada.lovelace@x", "AL"), ("", "ada@x", "A"), ("  ", "@x", "?")],
)
def test_initials_come_from_the_name_or_the_address(name: str, email: str, initials: str) -> None:
    assert User(name=name.strip(), email=email).initials == initials
