"""The strict parser: one reading of each text, or a refusal that repeats nothing of it."""
# ruff: noqa: RUF001 - the look-alike characters are what is tested

from __future__ import annotations

import pytest

from integrations.egress import Endpoint, parse_host, parse_url
from integrations.errors import ADDRESS_INVALID, NeedsPerson

GOOD_HOSTS = [
    ("example.com", "example.com"),
    ("EXAMPLE.Com", "example.com"),
    ("my_service", "my_service"),
    ("a-b.example", "a-b.example"),
    ("1e100.net", "1e100.net"),
    ("xn--bcher-kva.example", "xn--bcher-kva.example"),
    ("bücher.example", "xn--bcher-kva.example"),
    ("127.0.0.1", "127.0.0.1"),
    ("8.8.8.8", "8.8.8.8"),
    ("::1", "::1"),
    ("[::1]", "::1"),
    ("2001:db8::1", "2001:db8::1"),
    ("localhost", "localhost"),
]
BAD_HOSTS = [
    "",
    ".",
    "..",
    ".example.com",
    "example.com.",
    "localhost.",
    "a..b",
    "-a.example",
    "a-.example",
    "exa mple.com",
    "exa\tmple.com",
    "example.com\n",
    "\x00a",
    "a\x00",
    "a/b",
    "a?b",
    "a#b",
    "a@b",
    "a\\b",
    "a%62c",
    "%31%32%37.0.0.1",
    "127.0.0.1%00",
    "127.1",
    "127.0.1",
    "2130706433",
    "0x7f000001",
    "0x7f.1",
    "0X7F.0.0.1",
    "017700000001",
    "0177.0.0.1",
    "0177.0.0.01",
    "127.0.0.01",
    "127.0.0.0x1",
    "127.0.0.1.",
    "1.2.3.4.5",
    "1.2.3",
    "256.1.1.1",
    "1.1.1.256",
    "0",
    "0x",
    "0x0",
    "1",
    "00000000",
    "example.0x1",
    "example.123",
    "１２７.0.0.1",
    "１２７．０．０．１",
    "127。0。0。1",
    "127｡0｡0｡1",
    "٣.example",
    "①②⑦.⓪.⓪.①",
    "ⓔxample.com",
    "exam\u200bple.com",
    "ex\xadample.com",
    "example。com",
    "::ffff:127.0.0.1",
    "[::ffff:127.0.0.1]",
    "::ffff:7f00:1",
    "::FFFF:7F00:1",
    "0:0:0:0:0:0:0:1",
    "::0001",
    "::1%lo",
    "[::1%25lo]",
    "fe80::1%eth0",
    "2001:DB8::1",
    "2001:0db8::1",
    "[::1",
    "::1]",
    "[]",
    "[127.0.0.1]",
    "[example.com]",
    "1::2::3",
    ":",
    "::g",
    "localhost:80",
    "☃.example",
    "xn--\x7f",
]


@pytest.mark.parametrize(("text", "canonical"), GOOD_HOSTS)
def test_a_clear_host_has_one_canonical_form(text: str, canonical: str) -> None:
    assert parse_host(text) == canonical


@pytest.mark.security("SEC-081")
@pytest.mark.parametrize("text", [*BAD_HOSTS, "a" * 64 + ".example", ".".join(["a" * 60] * 5)])
def test_an_unclear_host_is_refused(text: str) -> None:
    with pytest.raises(NeedsPerson) as caught:
        parse_host(text)
    assert caught.value.code == ADDRESS_INVALID


@pytest.mark.parametrize(
    ("url", "endpoint"),
    [
        ("http://example.com", Endpoint("http", "example.com", 80)),
        ("https://example.com/a?b=c#d", Endpoint("https", "example.com", 443)),
        ("HTTPS://Example.com:8443/", Endpoint("https", "example.com", 8443)),
        ("http://[::1]:9000/x", Endpoint("http", "::1", 9000)),
        ("http://127.0.0.1:9000", Endpoint("http", "127.0.0.1", 9000)),
        ("http://example.com?next=http://a@b", Endpoint("http", "example.com", 80)),
    ],
)
def test_a_clear_url_says_where_it_points_to(url: str, endpoint: Endpoint) -> None:
    assert parse_url(url) == endpoint


BAD_URLS = [
    "",
    "example.com",
    "//example.com",
    "ftp://example.com",
    "file:///etc/passwd",
    "gopher://example.com",
    "javascript:alert(1)",
    "http:example.com",
    "http:/example.com",
    "http:///example.com",
    "http://",
    "http://:80",
    "http://example.com:",
    "http://example.com:0",
    "http://example.com:65536",
    "http://example.com:80:80",
    "http://example.com:８０",
    "http://example.com:+80",
    "http://example.com:-1",
    "http://example.com: 80",
    "http://user@example.com",
    "http://user:pw@example.com",
    "http://example.com@127.0.0.1",
    "http://a%40b",
    "http://example%2ecom",
    "http://127.0.0.1\\@example.com",
    "http:\\\\example.com",
    "http://example.com\\.evil.example",
    "http://exam\nple.com",
    "http://example.com/\r\nX: y",
    " http://example.com",
    "http://example.com ",
    "http://example.com/\x7f",
    "http://[::1",
    "http://::1/",
    "http://[::1]x/",
    "http://[::1]80",
    "http://0177.0.0.1/",
    "http://2130706433/",
    "http://0x7f.1/",
    "http://127.1/",
    "http://１２７.0.0.1/",
    "http://[::ffff:127.0.0.1]/",
    "http://example.com／path",
    "http://example.com＠evil.example",
    "http://exam\u200bple.com",
    "http://[v1.a]/",
]


@pytest.mark.security("SEC-081")
@pytest.mark.parametrize("url", [*BAD_URLS, "http://example.com/" + "a" * 9000])
def test_an_unclear_url_is_refused_without_being_repeated(url: str) -> None:
    with pytest.raises(NeedsPerson) as caught:
        parse_url(url)
    assert caught.value.code == ADDRESS_INVALID
    assert not url or url not in str(caught.value)
