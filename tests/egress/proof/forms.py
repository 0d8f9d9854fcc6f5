"""Ways to write an address that must not be reached, as data: each base in each spelling, and some of their own."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address

# Stand-ins for the public net; whoever rebinds is first seen here.
PUBLIC = ("93.184.216.34", "2606:2800:220:1::9")

# Each answers in the proof's network: loopback, private, shared, link-local, metadata, protocol and test ranges.
BASES = (
    "127.0.0.1",
    "127.8.9.10",
    "10.1.2.3",
    "169.254.169.254",
    "192.168.1.9",
    "100.100.100.200",
)
OTHERS = (
    *("0.0.0.0", "0.1.2.3", "192.0.0.192", "192.0.2.9", "192.88.99.9", "198.51.100.9", "203.0.113.9"),
    *("100.64.0.9", "172.16.0.9", "168.63.129.16", "198.18.0.9"),
    *("224.0.0.9", "239.255.255.250", "240.0.0.9", "255.255.255.255", "172.31.255.255", "10.255.255.255"),
)
SIXES = (
    *("::", "::1", "::2", "fc00::9", "fd00::9", "fd12:3456::9", "fd00:ec2::254", "fd20:ce::254", "fe80::9", "febf::9"),
    *("fec0::9", "ff02::1", "ff05::9", "100::9", "2001::9", "2001:2::9", "2001:10::9", "2001:20::9", "2001:db8::9"),
    *("2002::9", "3fff::9", "5f00::9", "4000::9", "64:ff9b::9", "64:ff9b:1::9"),
)
# As they stand in a URL.
LOOSE = (
    *("localhost", "LOCALHOST", "localhost.", "localhost.localdomain", "ip6-localhost", "[::1%lo]", "[::1%25lo]"),
    *("[0:0:0:0:0:0:0:1]", "[::0001]", "[0000::1]", "[::1", "::1]", "[127.0.0.1]", "[localhost]", "[::127.1]"),
    *("0", "00", "0x0", "0x7f.1", "127.1", "127.0.1", "0177.1", "127.0.0.1.", "127..0.0.1", ".127.0.0.1"),
)
_FULL = str.maketrans("0123456789", "".join(chr(0xFF10 + digit) for digit in range(10)))
_ARABIC = str.maketrans("0123456789", "".join(chr(0x0660 + digit) for digit in range(10)))
_CIRCLED = str.maketrans("0123456789", "\u24ea" + "".join(chr(0x2460 + digit) for digit in range(9)))


@dataclass(frozen=True)
class Form:
    """A host as it stands in a URL, and the address that a forgiving reader makes of it."""

    name: str
    host: str
    address: str

    @property
    def bare(self) -> str:
        """The host without brackets, as a setting of its own has it."""
        return self.host[1:-1] if self.host.startswith("[") and self.host.endswith("]") else self.host


def spellings(text: str) -> dict[str, str]:
    """One IPv4 address in every spelling that some reader takes for it."""
    return _notations(text) | _disguises(text) | _inside_others(text)


def _notations(text: str) -> dict[str, str]:
    """Numbers of other bases, and fewer parts."""
    number, (a, b, c, d) = int(IPv4Address(text)), (int(part) for part in text.split("."))
    return {
        "plain": text,
        "integer": str(number),
        "hex": hex(number),
        "HEX": hex(number).upper(),
        "octal": f"0{number:o}",
        "dotted-hex": f"0x{a:x}.0x{b:x}.0x{c:x}.0x{d:x}",
        "dotted-octal": f"0{a:o}.0{b:o}.0{c:o}.0{d:o}",
        "mixed": f"0x{a:x}.{number & 0xFFFFFF}",
        "two-parts": f"{a}.{number & 0xFFFFFF}",
        "three-parts": f"{a}.{b}.{number & 0xFFFF}",
        "zeros": f"{a:03}.{b:03}.{c:03}.{d:03}",
        "last-dot": f"{text}.",
        "overflow": f"{a + 256}.{b}.{c}.{d}",
    }


def _disguises(text: str) -> dict[str, str]:
    """Other letters, and what stands around the address."""
    a, b, c, d = text.split(".")
    return {
        "full-width": text.translate(_FULL),
        "arabic": text.translate(_ARABIC),
        "circled": text.translate(_CIRCLED),
        "ideographic-stop": text.replace(".", "\u3002"),
        "percent-dots": text.replace(".", "%2e"),
        "percent-all": "".join(f"%{ord(letter):02x}" for letter in text),
        "user": f"good.example@{text}",
        "user-password": f"me:pw@{text}",
        "backslash": f"good.example\\@{text}",
        "fragment": f"good.example#@{text}",
        "space": f"{text} ",
        "tab": f"{a}.{b}.\t{c}.{d}",
        "line": f"{text}\n",
        "nul": f"{text}\0.example",
        "soft-hyphen": f"{a}.{b}.\u00ad{c}.{d}",
    }


def _inside_others(text: str) -> dict[str, str]:
    """IPv6 addresses that carry it, and names that resolve to it."""
    number, (a, b, c, d) = int(IPv4Address(text)), (int(part) for part in text.split("."))
    return {
        "mapped": f"[::ffff:{text}]",
        "mapped-hex": f"[{IPv6Address(int(IPv6Address('::ffff:0:0')) + number)}]",
        "mapped-long": f"[0:0:0:0:0:ffff:{text}]",
        "compatible": f"[{IPv6Address(f'::{text}')}]",
        "translated": f"[::ffff:0:{a:x}{b:02x}:{c:x}{d:02x}]",
        "nat64": f"[{IPv6Address(int(IPv6Address('64:ff9b::')) + number)}]",
        "nat64-local": f"[{IPv6Address(int(IPv6Address('64:ff9b:1::')) + number)}]",
        "6to4": f"[{IPv6Address(0x2002 << 112 | number << 80)}]",
        "teredo": f"[{IPv6Address(0x20010000 << 96 | (number ^ 0xFFFFFFFF))}]",
        "name": f"a{number}.direct.example",
        "name-mapped": f"a{number}.mapped.example",
        "name-both": f"a{number}.both.example",
        "NAME": f"A{number}.DIRECT.Example",
    }


def _all() -> list[Form]:
    forms = [Form(f"{base} {name}", host, base) for base in BASES for name, host in spellings(base).items()]
    forms += [Form(other, other, other) for other in OTHERS]
    forms += [Form(six, f"[{six}]", six) for six in SIXES]
    forms += [Form(f"name of {six}", f"b{int(ip_address(six)):x}.direct.example", six) for six in SIXES]
    forms += [Form(loose, loose, "127.0.0.1") for loose in LOOSE]
    return forms


FORMS = _all()
