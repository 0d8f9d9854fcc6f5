"""What people read counts in the right number."""

from __future__ import annotations

import pytest

from integrations.domain.words import counted, counted_were
from integrations.models import Event
from tests.runs.conftest import Bench
from tests.runs.listed import World


@pytest.mark.parametrize(
    ("number", "words"), [(0, "0 batches"), (1, "1 batch"), (2, "2 batches"), (1204, "1,204 batches")]
)
def test_a_number_has_its_thing_in_the_right_number(number: int, words: str) -> None:
    assert counted(number, "batch", "batches") == words


def test_one_thing_was_and_several_were() -> None:
    assert (counted_were(1, "record"), counted_were(2, "record")) == ("1 record was", "2 records were")


@pytest.mark.django_db(transaction=True)
def test_a_run_of_one_record_says_so_in_its_log(bench: Bench, outside: World) -> None:
    outside.rows = [{"id": 1, "amount": "1"}, {"id": 2, "amount": "none"}]
    bench.work(bench.start())
    told = list(Event.objects.values_list("message", flat=True))
    assert "1 record written." in told
    assert "1 record was set aside; look at the dead letters." in told
