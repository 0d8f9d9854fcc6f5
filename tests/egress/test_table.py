"""The table of addresses: one form, one verdict, held against the IANA registries as Python ships them."""

from __future__ import annotations

import random
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

import pytest

from integrations.egress.table import METADATA, IPAddress, Verdict, judge

OPEN = [
    "1.1.1.1",
    "8.8.8.8",
    "9.9.9.9",
    "93.184.216.34",
    "100.63.255.255",
    "100.128.0.0",
    "11.0.0.0",
    "126.255.255.255",
    "128.0.0.0",
    "169.253.255.255",
    "169.255.0.0",
    "172.15.255.255",
    "172.32.0.0",
    "191.255.255.255",
    "192.0.1.0",
    "192.0.3.0",
    "192.88.98.255",
    "192.88.100.0",
    "192.167.255.255",
    "192.169.0.0",
    "198.17.255.255",
    "198.20.0.0",
    "198.51.99.255",
    "198.51.101.0",
    "203.0.112.255",
    "203.0.114.0",
    "223.255.255.255",
    "168.63.129.15",
    "9.255.255.255",
    "2606:4700::1111",
    "2a00:1450:4001:810::200e",
    "2001:200::1",
    "2001:db7:ffff::1",
    "2001:db9::1",
    "2003::1",
    "3ffe::1",
    "2620:4f:8000::1",
    "::ffff:8.8.8.8",
    "::ffff:1.1.1.1",
]
BY_ALLOWANCE = [
    "10.0.0.0",
    "10.255.255.255",
    "100.64.0.0",
    "100.127.255.255",
    "127.0.0.0",
    "127.0.0.1",
    "127.0.0.53",
    "127.1.2.3",
    "127.255.255.255",
    "172.16.0.0",
    "172.17.0.1",
    "172.31.255.255",
    "192.168.0.0",
    "192.168.1.1",
    "192.168.255.255",
    "::1",
    "fc00::1",
    "fd00::1",
    "fd12:3456::1",
    "fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
    "::ffff:10.0.0.1",
    "::ffff:127.0.0.1",
    "::ffff:192.168.1.1",
    "::ffff:172.16.0.1",
    "::ffff:7f00:1",
]
NEVER = [
    "0.0.0.0",
    "0.0.0.1",
    "0.255.255.255",
    "169.254.0.0",
    "169.254.0.1",
    "169.254.169.254",
    "169.254.170.2",
    "169.254.170.23",
    "169.254.255.255",
    "100.100.100.200",
    "168.63.129.16",
    "192.0.0.0",
    "192.0.0.8",
    "192.0.0.192",
    "192.0.0.255",
    "192.0.2.0",
    "192.0.2.255",
    "192.88.99.1",
    "198.18.0.0",
    "198.19.255.255",
    "198.51.100.0",
    "198.51.100.255",
    "203.0.113.0",
    "203.0.113.255",
    "224.0.0.1",
    "239.255.255.255",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::2",
    "::7f00:1",
    "::127.0.0.1",
    "::8.8.8.8",
    "::ffff:0.0.0.0",
    "::ffff:169.254.169.254",
    "::ffff:a9fe:a9fe",
    "::ffff:224.0.0.1",
    "::ffff:255.255.255.255",
    "::ffff:0:127.0.0.1",
    "64:ff9b::7f00:1",
    "64:ff9b::8.8.8.8",
    "64:ff9b:1::1",
    "64:ff9b:1::169.254.169.254",
    "100::1",
    "100:0:0:1::1",
    "2001::1",
    "2001:0:7f00:1::",
    "2001:2::1",
    "2001:10::1",
    "2001:20::1",
    "2001:1ff::1",
    "2001:db8::1",
    "2002::1",
    "2002:7f00:1::",
    "2002:a9fe:a9fe::",
    "2002:808:808::",
    "3fff::1",
    "5f00::1",
    "fd00:ec2::254",
    "fd20:ce::254",
    "fe80::1",
    "fe80::ffff:ffff",
    "fe80::1%eth0",
    "2606:4700::1111%1",
    "febf::1",
    "fec0::1",
    "feff::1",
    "ff00::1",
    "ff02::1",
    "ff05::1:3",
    "ff0e::1",
    "4000::1",
    "1000::1",
    "e000::1",
    "f000::1",
]

# From the IANA special-purpose registries (RFC 6890 and its updates): the blocks that are not globally reachable, and
# those that carry another address within (IPv4-mapped, NAT64, 6to4, Teredo), wherever that leads.
REGISTERED = [
    *("0.0.0.0/8", "0.0.0.0/32", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12"),
    *("192.0.0.0/24", "192.0.0.0/29", "192.0.0.8/32", "192.0.0.170/32", "192.0.0.171/32", "192.0.2.0/24"),
    *("192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "240.0.0.0/4"),
    *("255.255.255.255/32", "224.0.0.0/4"),
    *("::1/128", "::/128", "::/96", "::ffff:127.0.0.0/104", "64:ff9b::/96", "64:ff9b:1::/48", "100::/64"),
    *("100:0:0:1::/64", "2001::/23", "2001::/32", "2001:2::/48", "2001:10::/28", "2001:db8::/32", "2002::/16"),
    *("3fff::/20", "5f00::/16", "fc00::/7", "fe80::/10", "fec0::/10", "ff00::/8"),
]


@pytest.mark.security("SEC-081")
@pytest.mark.parametrize("block", REGISTERED)
def test_no_address_of_a_registered_block_is_open(block: str) -> None:
    network = ip_network(block)
    chance = random.Random(block)
    places = {0, network.num_addresses - 1, *(chance.randrange(network.num_addresses) for _ in range(50))}
    assert [network[place] for place in places if judge(network[place]) is Verdict.OPEN] == []


@pytest.mark.security("SEC-081")
def test_what_python_knows_as_not_global_is_never_open() -> None:
    chance = random.Random(4)
    fours: list[IPAddress] = [IPv4Address(number << 17) for number in range(1 << 15)]
    sixes: list[IPAddress] = [IPv6Address(top << 112 | chance.getrandbits(112)) for top in range(0, 1 << 16, 7)]
    assert [a for a in (*fours, *sixes) if judge(a) is Verdict.OPEN and not a.is_global] == []


@pytest.mark.parametrize("text", OPEN)
def test_a_public_address_is_open(text: str) -> None:
    assert judge(ip_address(text)) is Verdict.OPEN


@pytest.mark.security("SEC-081")
@pytest.mark.parametrize("text", BY_ALLOWANCE)
def test_a_private_address_needs_the_instances_allowance(text: str) -> None:
    assert judge(ip_address(text)) is Verdict.BY_ALLOWANCE


@pytest.mark.security("SEC-081")
@pytest.mark.parametrize("text", NEVER)
def test_a_special_address_can_never_be_opened(text: str) -> None:
    assert judge(ip_address(text)) is Verdict.NEVER


@pytest.mark.security("SEC-081")
@pytest.mark.parametrize("address", sorted(METADATA, key=str), ids=str)
def test_every_metadata_address_is_closed_for_good(address: IPAddress) -> None:
    assert judge(address) is Verdict.NEVER


@pytest.mark.parametrize("text", OPEN)
def test_what_is_open_is_global_in_the_registry_too(text: str) -> None:
    address = ip_address(text)
    mapped = address.ipv4_mapped if address.version == 6 else None
    assert (mapped or address).is_global
