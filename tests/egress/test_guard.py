"""The guard: every address of a host is judged, and only a checked one comes out."""

from __future__ import annotations

import socket
import threading

import pytest

from integrations.egress import Resolver, check_url, checked_addresses, is_allowed, resolve_checked, resolver
from integrations.errors import ADDRESS_BLOCKED, ADDRESS_INVALID, HOST_NOT_FOUND, TIMED_OUT, NeedsPerson, RetryLater


def answering(*addresses: str) -> Resolver:
    """A resolver that gives these addresses, whatever the name."""
    return lambda _host, _port: addresses


def refused(host: str, port: int, allow: tuple[str, ...] = (), *addresses: str) -> str:
    with pytest.raises(NeedsPerson) as caught:
        resolve_checked(host, port, allow, resolver=answering(*addresses))
    return caught.value.code


def test_a_public_name_gives_its_first_address() -> None:
    assert resolve_checked("a.example", 443, (), resolver=answering("8.8.8.8", "2606:4700::1")) == "8.8.8.8"


def test_all_checked_addresses_come_in_order_without_doubles() -> None:
    found = checked_addresses("a.example", 443, (), resolver=answering("9.9.9.9", "::ffff:9.9.9.9", "8.8.8.8"))
    assert found == ("9.9.9.9", "8.8.8.8")


@pytest.mark.security("SEC-080")
@pytest.mark.parametrize(
    "addresses",
    [("8.8.8.8", "127.0.0.1"), ("10.0.0.1", "8.8.8.8"), ("2606:4700::1", "::1"), ("8.8.8.8", "::ffff:7f00:1")],
)
def test_one_closed_address_closes_the_host(addresses: tuple[str, ...]) -> None:
    assert refused("a.example", 443, (), *addresses) == ADDRESS_BLOCKED


@pytest.mark.parametrize(
    ("host", "entry"), [("127.0.0.1", "127.0.0.1:9000"), ("::1", "[::1]:9000"), ("LocalHost", " LOCALHOST:9000 ")]
)
def test_the_exact_host_and_port_of_the_allow_list_opens_loopback(host: str, entry: str) -> None:
    assert resolve_checked(host, 9000, (entry,), resolver=answering("127.0.0.1")) in {"127.0.0.1", "::1"}


@pytest.mark.parametrize(
    "entry",
    ["127.0.0.1:9001", "127.0.0.1", "localhost:9000", "127.0.0.1:*", "*:9000", "0.0.0.0/0:9000", "127.0.0.1:09000", ""],
)
def test_an_entry_that_is_not_exactly_host_and_port_opens_nothing(entry: str) -> None:
    assert refused("127.0.0.1", 9000, (entry,)) == ADDRESS_BLOCKED


@pytest.mark.security("SEC-080")
def test_an_allowed_address_does_not_open_a_name_that_leads_to_it() -> None:
    assert refused("rebind.example", 9000, ("127.0.0.1:9000",), "127.0.0.1") == ADDRESS_BLOCKED


@pytest.mark.security("SEC-082")
@pytest.mark.parametrize(
    "address",
    ["169.254.169.254", "fd00:ec2::254", "100.100.100.200", "168.63.129.16", "169.254.170.2", "192.0.0.192", "0.0.0.0"],
)
def test_metadata_stays_closed_although_the_instance_allows_it(address: str) -> None:
    allow = (f"{address}:80", f"[{address}]:80", "meta.example:80")
    assert refused(address, 80, allow) == ADDRESS_BLOCKED
    assert refused("meta.example", 80, allow, address) == ADDRESS_BLOCKED


def test_a_name_without_addresses_is_not_found() -> None:
    assert refused("a.example", 443) == HOST_NOT_FOUND


@pytest.mark.parametrize("port", [0, -1, 65536])
def test_a_port_out_of_range_is_refused(port: int) -> None:
    assert refused("8.8.8.8", port) == ADDRESS_INVALID


@pytest.mark.parametrize("port", [22, 25, 5432, 6379, 11211])
def test_a_url_to_a_port_that_is_not_http_is_refused_unless_allowed(port: int) -> None:
    with pytest.raises(NeedsPerson) as caught:
        check_url(f"http://8.8.8.8:{port}/", ())
    assert caught.value.code == ADDRESS_BLOCKED
    assert check_url(f"http://8.8.8.8:{port}/", (f"8.8.8.8:{port}",)).port == port


def test_a_url_to_a_private_address_is_refused() -> None:
    with pytest.raises(NeedsPerson) as caught:
        check_url("http://a.example/", (), resolver=answering("192.168.0.1"))
    assert caught.value.code == ADDRESS_BLOCKED


def test_an_allow_list_entry_is_not_a_prefix() -> None:
    assert not is_allowed("a.example", 443, ("a.example:4430", "aa.example:443"))


def test_the_system_resolves_localhost() -> None:
    assert resolve_checked("localhost", 80, ("localhost:80",)) in {"127.0.0.1", "::1"}


@pytest.mark.fault("F46")
@pytest.mark.parametrize(("errno", "kind"), [(socket.EAI_AGAIN, RetryLater), (socket.EAI_NONAME, NeedsPerson)])
def test_a_failed_lookup_says_whether_to_try_again(
    monkeypatch: pytest.MonkeyPatch, errno: int, kind: type[RetryLater | NeedsPerson]
) -> None:
    def fail(*_args: object, **_kwargs: object) -> None:
        raise socket.gaierror(errno, "no answer")

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    with pytest.raises(kind) as caught:
        resolve_checked("a.example", 443, ())
    assert caught.value.code == HOST_NOT_FOUND


@pytest.mark.fault("F46")
def test_a_resolver_that_hangs_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    released = threading.Event()
    monkeypatch.setattr(resolver, "RESOLVE_SECONDS", 0.05)
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_args, **_kwargs: released.wait(10) and [])
    with pytest.raises(RetryLater) as caught:
        resolve_checked("slow.example", 443, ())
    released.set()
    assert caught.value.code == TIMED_OUT
