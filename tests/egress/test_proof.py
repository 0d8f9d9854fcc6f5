"""A small part of the egress proof in every run of the tests; `make egress` makes every attempt."""

from __future__ import annotations

import json

import pytest

from tests.egress.__main__ import unseen
from tests.egress.proof.doors import DOORS
from tests.egress.proof.forms import FORMS
from tests.egress.proof.network import run_inside, why_not

pytestmark = pytest.mark.skipif(bool(why_not()), reason=why_not() or "-")


def test_there_are_enough_forms_and_doors() -> None:
    assert len({form.host for form in FORMS}) >= 250
    assert 2 * len(DOORS) >= 8


@pytest.mark.security("SEC-080", "SEC-081", "SEC-082", "SEC-083")
def test_nothing_inside_accepts_a_connection_and_an_opened_guard_is_seen() -> None:
    doors = ("page test", "API check", "run")
    found = json.loads(
        run_inside("--every", "40", "--first", "5", "--doors", ",".join(doors), "--weak-every", "110")[-1]
    )
    assert (found["accepted"], found["found"], found["wrong"]) == (0, {}, [])
    assert found["attempts"] >= 100
    assert found["public"] > 0
    assert {way: unseen(way, opened["found"], doors) for way, opened in found["weak"].items()} == {
        way: [] for way in ("direct", "redirect", "rebind")
    }
