"""The search for the record that kills workers, decided from plain values."""

from __future__ import annotations

import pytest

from integrations.domain.isolation import (
    CAREFUL_AFTER_DEATHS,
    DEATHS_WHILE_READING,
    Isolation,
    after_claim,
    after_commit,
    holding,
)

BATCH = 1_000


def search(poison: set[int], records: int, *, batch: int = BATCH) -> tuple[set[int], int, int]:
    """Play a run whose workers die of each poison record; return what was set aside, the deaths, the last size."""
    state, read, aside, deaths_in_a_row, deaths = Isolation(), 0, set[int](), 0, 0
    while read < records:
        state = after_claim(state, deaths=deaths_in_a_row, batch_records=batch, read=read)
        assert not state.is_hopeless
        taken = range(read, min(records, read + (state.records or batch)))
        digest = str(taken)
        if state.condemned == digest:
            aside |= set(taken)
        elif poison & set(taken):
            state = holding(state, digest, len(taken)) if state.is_careful else state
            deaths, deaths_in_a_row = deaths + 1, deaths_in_a_row + 1
            continue
        read, deaths_in_a_row = taken.stop, 0
        state = after_commit(state, read=read, batch_records=batch)
    return aside, deaths, state.records


@pytest.mark.fault("F8")
@pytest.mark.parametrize("poison", [{777}, {0}, {999}, {2_999}, {5, 6}, {10, 1_900}])
def test_exactly_the_records_that_kill_are_set_aside(poison: set[int]) -> None:
    aside, deaths, _ = search(poison, 3_000)
    assert aside == poison
    assert deaths <= 25 * len(poison)


@pytest.mark.fault("F8")
def test_batches_grow_again_after_the_record_is_found() -> None:
    _, _, size = search({777}, 20_000)
    assert size == 0


def test_two_deaths_change_nothing() -> None:
    assert after_claim(Isolation(), deaths=CAREFUL_AFTER_DEATHS - 1, batch_records=BATCH, read=0) == Isolation()


def test_a_record_is_not_blamed_for_the_deaths_of_others() -> None:
    state = Isolation(records=1, until=5)
    for digest in ("a", "b", "a", "b", "a"):
        state = after_claim(holding(state, digest, 1), deaths=4, batch_records=BATCH, read=0)
    assert (state.condemned, state.crashes) == ("", 1)


def test_a_worker_that_handed_its_batch_back_is_no_death() -> None:
    held = holding(Isolation(records=1, until=5), "a", 1)
    assert after_claim(held, deaths=0, batch_records=BATCH, read=0) == Isolation(records=1, until=5, held_records=1)


@pytest.mark.fault("F8")
def test_a_source_that_dies_while_reading_is_hopeless_in_the_end() -> None:
    state, deaths = Isolation(), CAREFUL_AFTER_DEATHS
    while not state.is_hopeless:
        state = after_claim(state, deaths=deaths, batch_records=50_000, read=0)
        deaths += 1
    assert (state.records, deaths) == (1, CAREFUL_AFTER_DEATHS + DEATHS_WHILE_READING + 1)


def test_a_connector_that_makes_no_smaller_batches_is_hopeless() -> None:
    state = Isolation(records=1, until=9)
    for _ in range(3):
        state = after_claim(holding(state, "whole", 500), deaths=9, batch_records=BATCH, read=0)
    assert state.is_hopeless


def test_what_is_stored_is_read_again() -> None:
    state = Isolation(records=4, until=9, held="a", held_records=4)
    assert Isolation.from_json(state.to_json()) == state
    assert (Isolation().to_json(), Isolation.from_json(None)) == (None, Isolation())
