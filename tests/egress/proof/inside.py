"""The proof itself, in a network of its own where every address is ours: run by `python -m tests.egress`.

Prints one line of JSON. `accepted` is what was accepted where nobody may go, `public` where anybody may; with
`--weak-every` the guard is then opened on purpose, and the same attempts must find connections (`weak`).
"""

from __future__ import annotations

import argparse
import itertools
import json
import logging
import os
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Any

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")

import django

django.setup()

from django.core.cache import cache  # noqa: E402 - after django.setup
from django.core.management import call_command  # noqa: E402 - as above
from django.test.utils import setup_test_environment  # noqa: E402 - as above

from accounts.errors import SignalboxError  # noqa: E402 - as above
from integrations.models import Breaker  # noqa: E402 - as above
from tests.egress.proof import weak  # noqa: E402 - as above
from tests.egress.proof.doors import DOORS, House, Settings  # noqa: E402 - as above
from tests.egress.proof.forms import FORMS, Form  # noqa: E402 - as above
from tests.egress.proof.listeners import HTTP, POSTGRES, Listeners  # noqa: E402 - as above
from tests.egress.proof.names import Names  # noqa: E402 - as above

WAYS = ("direct", "redirect", "rebind")
REDIRECTS = ("redirect/301", "redirect/302", "redirect/303", "redirect/307", "redirect/308", "next", "refresh")


@dataclass
class Result:
    """What came of the attempts; `found` names those that reached an address inside."""

    attempts: Counter[str] = field(default_factory=Counter)
    found: Counter[str] = field(default_factory=Counter)
    codes: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)


def attempts(forms: list[Form], doors: list[str], ways: tuple[str, ...]) -> Iterator[tuple[Form, str, str, str]]:
    """Every form, way, plugin and door. PostgreSQL's protocol has no redirects."""
    for number, form in enumerate(forms):
        for way in ways:
            for plugin in ("rest_api", "postgres"):
                if plugin == "rest_api" or way != "redirect":
                    yield from ((form, f"{number}", way, f"{plugin} {door}") for door in doors)


def settings_for(form: Form, way: str, plugin: str, tag: str) -> Settings:
    """What the connector is set to; each rebinding name is used once."""
    host = form.host
    if way == "rebind":
        address = ip_address(form.address)
        label = f"a{int(address)}" if address.version == 4 else f"b{int(address):x}"
        host = f"{label}.{tag}.rebind.example"
    if plugin == "postgres":
        bare = Form("", host, "").bare
        return {"host": bare, "port": POSTGRES, "database": "app"}
    if way == "redirect":
        path = REDIRECTS[int(tag.partition("-")[0]) % len(REDIRECTS)]
        paging = "link" if path == "next" else "none"
        streams = [{"name": "items", "path": f"/{path}", "paging": {"paging": paging}}]
        return {"base_url": f"http://public.example:{HTTP}", "streams": streams}
    # Two streams ask twice: the second time the name leads inside.
    streams = [{"name": name, "path": f"/{name}"} for name in ("items", "more")]
    return {"base_url": f"http://{host}:{HTTP}", "streams": streams}


class Proof:
    """Goes through the doors and looks at the listeners after each."""

    def __init__(self) -> None:
        setup_test_environment()
        call_command("migrate", verbosity=0)
        self.names, self.listeners = Names(), Listeners()
        self.house = House.build()
        self.result = Result()
        self._numbers = itertools.count()
        self._first_code = ""
        self._listen_for_codes()

    def go_through(self, forms: list[Form], doors: list[str], ways: tuple[str, ...]) -> dict[str, Any]:
        """Make every attempt, and say what came of them."""
        began, self.result = time.monotonic(), Result()
        inside, outside = self.listeners.inside.total(), self.listeners.outside
        for form, number, way, entry in attempts(forms, doors, ways):
            self.attempt(form, number, way, entry)
        return {
            "forms": len(forms),
            "entry_points": sorted({entry.partition(" ")[2] for entry in self.result.attempts}),
            "attempts": self.result.attempts.total(),
            "accepted": self.listeners.inside.total() - inside,
            "public": self.listeners.outside - outside,
            "refused_by_code": dict(self.result.codes.most_common()),
            "found": dict(self.result.found),
            "wrong": self.result.wrong[:10],
            "seconds": round(time.monotonic() - began, 1),
        }

    def opened(self, way: str, forms: list[Form], doors: list[str]) -> dict[str, Any]:
        """The same in one way, with the guard opened in that way."""
        weak.WAYS[way]()
        return self.go_through(forms, doors, (way,))

    def _listen_for_codes(self) -> None:
        """The first error of an attempt is why it was refused, whatever a page makes of it."""
        make, proof = SignalboxError.__init__, self

        def remember(error: SignalboxError, code: str, *args: Any, **detail: Any) -> None:
            proof._first_code = proof._first_code or code
            make(error, code, *args, **detail)

        SignalboxError.__init__ = remember  # type: ignore[assignment,method-assign]  # only looks on

    def attempt(self, form: Form, number: str, way: str, entry: str) -> None:
        plugin, _, door = entry.partition(" ")
        tag = f"{number}-{next(self._numbers)}"
        self.listeners.target = f"http://{form.host}:{HTTP}/"
        settings = settings_for(form, way, plugin, tag)
        before, self._first_code = self.listeners.inside.total(), ""
        Breaker.objects.all().delete()
        cache.clear()
        answer = DOORS[door](self.house, plugin, settings)
        where = f"{form.name} {way} {entry}"
        status = getattr(answer, "status_code", None)
        if status not in EXPECTED[door]:
            self.result.wrong.append(f"{where}: {status}")
        if self.listeners.inside.total() > before:
            self.result.found[f"{way} {entry}"] += 1
        self.result.attempts[f"{way} {entry}"] += 1
        self.result.codes[self._first_code or "nothing_sent"] += 1


# What a door says of a connector that is refused, or stored; anything else is an attempt that was none.
EXPECTED: dict[str, set[int | None]] = {
    "page test": {200, 400},
    "page save": {302, 400},
    "API save": {200, 400},
    "page check": {200},
    "API check": {200},
    "page discover": {200},
    "API discover": {200, 422, 503},
    "API preview": {200, 422, 503},
    "run": {None},
}


def main() -> int:
    """Make the attempts that the arguments name, and then fewer with the guard opened."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--every", type=int, default=1, help="take only every so many-th form")
    parser.add_argument("--first", type=int, default=0, help="begin with this one")
    parser.add_argument("--doors", default=",".join(DOORS))
    parser.add_argument("--weak-every", type=int, default=0, help="the same with the guard opened; 0: not at all")
    given = parser.parse_args()
    logging.disable(logging.CRITICAL)
    proof, doors = Proof(), given.doors.split(",")
    made = proof.go_through(FORMS[given.first :: given.every], doors, WAYS)
    if given.weak_every:
        # In this order, since what is opened stays open.
        made["weak"] = {way: proof.opened(way, FORMS[:: given.weak_every], doors) for way in weak.WAYS}
    sys.stdout.write(json.dumps(made) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
