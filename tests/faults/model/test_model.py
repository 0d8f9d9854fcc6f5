"""The run protocol, tried in every order of its steps with crashes, pauses, cancels and a source that changes.

Three workers, three batches. The sound protocol breaks nothing and can always end; each wrong variant is found out. The
floors say how many states there are at least, so that the model cannot shrink unseen.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest

from tests.faults.model import remote, transactional
from tests.faults.model.explorer import Protocol, Step, explore
from tests.faults.model.remote import Kind
from tests.faults.model.variants import VARIANTS, Variant

SOUND: list[tuple[Callable[[], Protocol[Any, Any]], int]] = [
    (partial(transactional.protocol, crashes=2, pauses=2, cancels=0), 800_000),
    (partial(transactional.protocol, crashes=1, pauses=1, cancels=1), 90_000),
    (partial(remote.protocol, Kind.IDEMPOTENCY_KEY, crashes=1, pauses=1, cancels=1, source_changes=1), 200_000),
    (partial(remote.protocol, Kind.UPSERT_VERSIONED, crashes=1, pauses=1, cancels=1, source_changes=1), 260_000),
    (partial(remote.protocol, Kind.APPEND_ONLY, crashes=1, pauses=1, cancels=1), 95_000),
]


@pytest.mark.parametrize(("protocol", "floor"), SOUND)
def test_the_sound_protocol_loses_nothing_doubles_nothing_and_can_always_end(
    protocol: Callable[[], Protocol[Any, Any]], floor: int
) -> None:
    report = explore(protocol())
    assert report.breaches == {}
    assert report.states >= floor


def test_more_than_a_million_states_are_tried() -> None:
    assert sum(floor for _, floor in SOUND) >= 1_000_000


@pytest.mark.parametrize("variant", VARIANTS, ids=str)
def test_a_wrong_variant_is_found_out(variant: Variant) -> None:
    protocol: Protocol[Any, Any] = variant.protocol()
    report = explore(protocol, until=variant.breach)
    assert variant.breach in report.breaches
    assert report.breaches[variant.breach], "the way there is told"


def test_at_least_twenty_wrong_variants_are_tried() -> None:
    assert len({variant.rule for variant in VARIANTS}) >= 20


def counter(most: int, deaf_from: int) -> Protocol[int, int]:
    """A worker counts to `most`; from `deaf_from` on it does nothing any more."""

    def steps(world: int, worker: int) -> Iterator[Step[int, int]]:
        if world < min(most, deaf_from):
            yield Step("count", world + 1, worker)

    return Protocol(0, 0, steps, lambda _: [], lambda world: ["four"] * (world == 4), lambda world: world == most)


def test_the_explorer_counts_each_state_once_and_tells_the_shortest_way() -> None:
    report = explore(counter(most=5, deaf_from=9))
    assert (report.states, report.breaches) == (6, {"four": ["count"] * 4})


def test_the_explorer_finds_what_cannot_end() -> None:
    assert explore(counter(most=5, deaf_from=2)).breaches == {"stuck": []}
