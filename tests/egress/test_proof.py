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
def test_nothing_inside_accepts_a_connection() -> None:
    found = json.loads(run_inside("--every", "24", "--first", "5", "--doors", "page test,API check,run")[-1])
    assert (found["accepted"], found["found"], found["wrong"]) == (0, {}, [])
    assert found["attempts"] >= 200
    assert found["public"] > 0


@pytest.mark.parametrize("way", ["direct", "redirect", "rebind"])
def test_a_guard_that_is_opened_is_seen_at_once(way: str) -> None:
    found = json.loads(run_inside("--weak", way, "--every", "80", "--doors", "API check,run")[-1])
    assert found["accepted"] > 0
    asked = {f"{plugin} {door}" for plugin in ("rest_api", "postgres") for door in ("API check", "run")}
    assert asked & set(unseen(way, found["found"])) == set()
