"""A name server on loopback for the proof: names that lead inside, and names that change their mind."""

from __future__ import annotations

import socket
import struct
import threading
from collections import Counter
from ipaddress import IPv4Address, IPv6Address

from tests.egress.proof.forms import PUBLIC

A, AAAA = 1, 28


class Names:
    """Answers what the name itself says.

    `a<number>` is an IPv4 and `b<hex>` an IPv6 address, before `.direct`, `.mapped` (as ::ffff:), `.both` (public,
    too) or `.<anything>.rebind`: public the first time that it is asked for, that address from then on.
    """

    def __init__(self) -> None:
        self.asked: Counter[tuple[str, int]] = Counter()
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.53", 53))
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            packet, sender = self._socket.recvfrom(4096)
            self._socket.sendto(self._answer(packet), sender)

    def _answer(self, packet: bytes) -> bytes:
        labels, place = [], 12
        while length := packet[place]:
            labels.append(packet[place + 1 : place + 1 + length].decode().lower())
            place += length + 1
        kind = struct.unpack("!H", packet[place + 1 : place + 3])[0]
        question = packet[12 : place + 5]
        records = [self._record(address) for address in self._addresses(labels, kind)]
        header = packet[:2] + struct.pack("!HHHHH", 0x8180, 1, len(records), 0, 0)
        return header + question + b"".join(records)

    @staticmethod
    def _record(address: IPv4Address | IPv6Address) -> bytes:
        kind = A if address.version == 4 else AAAA
        return b"\xc0\x0c" + struct.pack("!HHIH", kind, 1, 0, len(address.packed)) + address.packed

    def _addresses(self, labels: list[str], kind: int) -> list[IPv4Address | IPv6Address]:
        name = ".".join(labels)
        self.asked[name, kind] += 1
        is_first = self.asked[name, kind] == 1
        public = [IPv4Address(PUBLIC[0])] if kind == A else []
        if name == "public.example" or len(labels) < 3:
            return list(public)
        how = labels[-2]
        if how == "rebind" and is_first:
            return list(public)
        target = self._target(labels[0])
        if how == "mapped" and target.version == 4:
            target = IPv6Address(f"::ffff:{target}")
        found = [target] if target.version == (4 if kind == A else 6) else []
        return [*public, *found] if how == "both" else [*found]

    @staticmethod
    def _target(label: str) -> IPv4Address | IPv6Address:
        return IPv4Address(int(label[1:])) if label[0] == "a" else IPv6Address(int(label[1:], 16))
