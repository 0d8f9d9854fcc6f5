"""How connectors ask their gate: each session takes a place and gives it back; each call is admitted and told of."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

import pytest
from pytest_httpserver import HTTPServer

from accounts.errors import SignalboxError
from integrations.connectors import registry
from integrations.connectors.address import address_of
from integrations.connectors.base import Limits
from integrations.connectors.gate import Leave, gated
from integrations.connectors.http import Call, HttpClient
from integrations.errors import BREAKER_OPEN, CREDENTIAL_REFUSED, SERVER_FAILED, NeedsPerson, NotYet, RetryLater


@dataclass
class Recording:
    """A gate that lets through as many calls as it should, and remembers what it was asked and told."""

    admits: int = 99
    places: int = 0
    told: list[str] = field(default_factory=list)
    refuses_after: str = ""

    def enter(self) -> Leave:
        self.places += 1

        def leave() -> None:
            self.places = 0

        return leave

    def admit(self, *, cost: int = 1) -> None:
        if self.admits == 0:
            raise NotYet(BREAKER_OPEN, "The breaker is open.", retry_after_seconds=30.0)
        self.admits -= 1 if cost else 0

    def report(self, error: SignalboxError | None) -> None:
        self.told.append(error.code if error else "answered")

    def refusal(self) -> NotYet | None:
        waits = bool(self.told) and self.told[-1] == self.refuses_after
        return NotYet(BREAKER_OPEN, "The breaker is open.", retry_after_seconds=30.0) if waits else None


def client(server: HTTPServer, gate: Recording, attempts: int = 3) -> HttpClient:
    limits = Limits(attempts=attempts, backoff_initial_seconds=0)
    return HttpClient(limits, (f"{server.host}:{server.port}",), gate=gate)


def test_a_client_keeps_one_place_until_it_is_closed(httpserver: HTTPServer) -> None:
    httpserver.expect_request("/rows").respond_with_data("[]")
    gate = Recording()
    with closing(client(httpserver, gate)) as http:
        http.send(Call(httpserver.url_for("/rows")))
        http.send(Call(httpserver.url_for("/rows")))
        assert (gate.places, gate.told) == (1, ["answered", "answered"])
    assert gate.places == 0


def test_each_attempt_is_admitted_and_told(httpserver: HTTPServer) -> None:
    httpserver.expect_request("/rows").respond_with_data("", status=500)
    gate = Recording()
    with closing(client(httpserver, gate)) as http, pytest.raises(RetryLater):
        http.send(Call(httpserver.url_for("/rows")))
    assert gate.told == [SERVER_FAILED] * 3


def test_a_call_that_is_kept_back_is_not_sent_and_not_tried_again(httpserver: HTTPServer) -> None:
    gate = Recording(admits=0)
    with closing(client(httpserver, gate)) as http, pytest.raises(NotYet):
        http.send(Call(httpserver.url_for("/rows")))
    assert (gate.told, httpserver.log) == ([], [])


def test_after_a_failure_that_opens_the_breaker_no_attempt_follows(httpserver: HTTPServer) -> None:
    httpserver.expect_request("/rows").respond_with_data("", status=500)
    gate = Recording(refuses_after=SERVER_FAILED)
    with closing(client(httpserver, gate)) as http, pytest.raises(NotYet):
        http.send(Call(httpserver.url_for("/rows")))
    assert gate.told == [SERVER_FAILED]


@pytest.mark.parametrize(
    ("error", "told"),
    [(NeedsPerson(CREDENTIAL_REFUSED, "No."), [CREDENTIAL_REFUSED]), (OSError("no socket"), [])],
)
def test_a_session_that_does_not_open_gives_its_place_back(error: Exception, told: list[str]) -> None:
    gate = Recording()

    def fail(_: Leave) -> None:
        raise error

    with pytest.raises(type(error)):
        gated(gate, fail)
    assert (gate.places, gate.told) == (0, told)


def test_a_session_that_is_kept_back_is_not_opened() -> None:
    gate = Recording(admits=0)
    with pytest.raises(NotYet):
        gated(gate, lambda _: pytest.fail("opened"))
    assert (gate.places, gate.told) == (0, [])


@pytest.mark.parametrize(
    ("plugin", "settings", "address"),
    [
        ("rest_api", {"base_url": "https://Shop.Example.org/v1"}, "shop.example.org:443"),
        ("rest_api", {"base_url": "http://shop.example.org:8080"}, "shop.example.org:8080"),
        ("rest_api", {"base_url": "http://[::1]:80"}, "[::1]:80"),
        ("rest_api", {"base_url": "http://shop.example.org:port"}, ""),
        ("rest_api", {}, ""),
        ("postgres", {"host": "Database."}, "database:5432"),
        ("postgres", {"host": "database", "port": 6543}, "database:6543"),
        ("files", {"format": "csv"}, ""),
    ],
)
def test_connectors_that_call_the_same_host_have_one_address(
    plugin: str, settings: dict[str, Any], address: str
) -> None:
    assert address_of(registry.get(plugin).spec, settings) == address
