"""A run that read nothing, or far from the usual, is not a plain success."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import pytest

from integrations.connectors import registry
from integrations.connectors.base import Batch, ReadRequest
from integrations.domain.lifecycle import RunState
from integrations.domain.volume import USUAL, VolumeAnswer, VolumeRule, judge_volume
from integrations.errors import SOURCE_REGRESSED, VOLUME_UNUSUAL
from tests.runs.conftest import Bench
from tests.runs.listed import Listed, World

RULE = VolumeRule(VolumeAnswer.FAIL, VolumeAnswer.WARN, drop_percent=50, rise_percent=200)


@pytest.mark.parametrize(
    ("read", "earlier", "answer", "rule"),
    [
        (0, [5], VolumeAnswer.FAIL, "volume.zero"),
        (0, [], VolumeAnswer.IGNORE, ""),
        (0, [5, 0], VolumeAnswer.IGNORE, ""),
        (100, [100] * 5, VolumeAnswer.IGNORE, ""),
        (50, [100] * 5, VolumeAnswer.IGNORE, ""),
        (49, [100] * 5, VolumeAnswer.WARN, "volume.drop_percent"),
        (49, [100] * 4, VolumeAnswer.IGNORE, ""),
        (300, [100] * 5, VolumeAnswer.IGNORE, ""),
        (301, [100] * 5, VolumeAnswer.WARN, "volume.rise_percent"),
    ],
)
def test_a_volume_is_judged_by_earlier_runs(read: int, earlier: Sequence[int], answer: VolumeAnswer, rule: str) -> None:
    verdict = judge_volume(read, earlier, RULE)
    assert (verdict.answer, verdict.rule) == (answer, rule)


def test_a_side_that_is_switched_off_is_not_judged() -> None:
    rule = VolumeRule(VolumeAnswer.FAIL, VolumeAnswer.FAIL, drop_percent=0, rise_percent=0)
    assert {judge_volume(read, [100] * 9, rule) for read in (1, 10_000)} == {USUAL}


def rows(count: int) -> list[dict[str, object]]:
    return [{"id": number, "amount": "1"} for number in range(count)]


@pytest.mark.django_db(transaction=True)
@pytest.mark.fault("F28")
def test_a_source_that_gives_nothing_and_always_had_some_fails_the_run(bench: Bench, outside: World) -> None:
    outside.rows = rows(3)
    bench.work(bench.start())
    outside.rows = []
    run = bench.work(bench.start())
    assert (run.state, run.error_code) == (RunState.FAILED, VOLUME_UNUSUAL)


class Shelf(Listed):
    """A source that tells at the end of a read that nothing is left at its cursor."""

    found_behind = False

    def read(self, request: ReadRequest) -> Iterator[Batch]:
        yield from super().read(request)
        self.found_behind = request.cursor is not None and len(self.world.rows) < request.cursor["row"]


@pytest.mark.django_db(transaction=True)
@pytest.mark.fault("F30")
@pytest.mark.parametrize(("answer", "state"), [("ignore", RunState.SUCCEEDED), ("fail", RunState.FAILED)])
@pytest.mark.parametrize("is_emptied", [False, True])
def test_a_source_that_is_found_behind_when_it_is_read_fails_the_run_where_the_policy_says_so(
    make_bench: Callable[..., Bench],
    outside: World,
    monkeypatch: pytest.MonkeyPatch,
    answer: str,
    state: RunState,
    is_emptied: bool,
) -> None:
    monkeypatch.setitem(registry.CONNECTORS, "listed", Shelf)
    bench = make_bench(rules={"volume.regressed": answer}, read_mode="incremental", cursor_field="id")
    outside.rows = rows(15)
    assert [bench.work(bench.start()).state for _ in range(2)] == [RunState.SUCCEEDED] * 2
    outside.rows, outside.has_schema = rows(3), not is_emptied
    run = bench.work(bench.start())
    assert (run.state, run.error_code) == (state, SOURCE_REGRESSED if answer == "fail" else "")


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("answer", "state"), [("warn", RunState.SUCCEEDED), ("fail", RunState.FAILED)])
def test_a_run_with_far_fewer_records_is_warned_of_or_failed(
    make_bench: Callable[..., Bench], outside: World, answer: str, state: RunState
) -> None:
    bench = make_bench(rules={"volume.unusual": answer, "volume.drop_percent": 50})
    outside.rows = rows(20)
    for _ in range(5):
        assert not bench.work(bench.start()).has_warnings
    outside.rows = rows(3)
    run = bench.work(bench.start())
    assert (run.state, run.has_warnings or run.error_code) == (state, True if answer == "warn" else VOLUME_UNUSUAL)
