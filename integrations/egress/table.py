"""Which IP addresses this product may talk to: one table of our own, tested against the IANA registries.

Sources: IANA IPv4 and IPv6 Special-Purpose Address Registries (RFC 6890 and its updates), RFC 6052 and 8215 (NAT64),
RFC 3056 (6to4), RFC 4380 (Teredo), and the providers' own pages for metadata services.
"""

from __future__ import annotations

from enum import StrEnum
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

IPAddress = IPv4Address | IPv6Address


class Verdict(StrEnum):
    """What may be done with an address: anybody, only where the instance names the host and port, or nobody."""

    OPEN = "open"
    BY_ALLOWANCE = "by_allowance"
    NEVER = "never"


# Addresses that hand out credentials of the machine. No setting opens them.
METADATA = frozenset(
    ip_address(text)
    for text in (
        "169.254.169.254",  # AWS, Azure, Google, DigitalOcean, OpenStack
        "169.254.170.2",  # AWS ECS task credentials
        "169.254.170.23",  # AWS EKS pod identity
        "169.254.169.123",  # AWS time
        "169.254.169.253",  # AWS resolver
        "169.254.0.23",  # Tencent
        "100.100.100.200",  # Alibaba
        "168.63.129.16",  # Azure host agent: an address out of public space
        "192.0.0.192",  # Oracle
        "fd00:ec2::254",  # AWS
        "fd00:ec2::253",  # AWS resolver
        "fd00:ec2::123",  # AWS time
        "fd00:ec2::23",  # AWS EKS pod identity
        "fd20:ce::254",  # Google
        "fd00:42::42",  # Scaleway
    )
)

# Private and loopback space: reached only where SIGNALBOX_EGRESS_ALLOW holds the exact host and port.
BY_ALLOWANCE_4 = tuple(
    IPv4Network(text) for text in ("10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")
)
BY_ALLOWANCE_6 = (IPv6Network("::1/128"), IPv6Network("fc00::/7"))

NEVER_4 = tuple(
    IPv4Network(text)
    for text in (
        "0.0.0.0/8",
        "169.254.0.0/16",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.88.99.0/24",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",
        "240.0.0.0/4",
    )
)
# Of IPv6 only 2000::/3 is global unicast; these are the parts of it that are not.
GLOBAL_6 = IPv6Network("2000::/3")
NEVER_6 = tuple(IPv6Network(text) for text in ("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20"))

# An IPv4 address in IPv6 clothes. The other forms that carry one (::/96, NAT64, 6to4, Teredo) are refused whole.
MAPPED = IPv6Network("::ffff:0:0/96")


def judge(address: IPAddress) -> Verdict:
    """What may be done with `address`; a mapped IPv4 address is judged as the IPv4 address that it is."""
    if isinstance(address, IPv4Address):
        return _judge_4(address)
    if address in MAPPED:
        return _judge_4(IPv4Address(int(address) & 0xFFFFFFFF))
    return _judge_6(address)


def _judge_4(address: IPv4Address) -> Verdict:
    if address in METADATA or any(address in network for network in NEVER_4):
        return Verdict.NEVER
    if any(address in network for network in BY_ALLOWANCE_4):
        return Verdict.BY_ALLOWANCE
    return Verdict.OPEN


def _judge_6(address: IPv6Address) -> Verdict:
    if address.scope_id is not None or address in METADATA:
        return Verdict.NEVER
    if any(address in network for network in BY_ALLOWANCE_6):
        return Verdict.BY_ALLOWANCE
    if address not in GLOBAL_6 or any(address in network for network in NEVER_6):
        return Verdict.NEVER
    return Verdict.OPEN
